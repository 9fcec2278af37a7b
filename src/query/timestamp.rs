//! Timestamps of definitions and data: `2026-02-03T04:05:06.789Z`, compared as instants.
//!
//! Amazon States Language, "Timestamps" (the RFC 3339 profile of ISO 8601, with an uppercase `T` and `Z`); the service reads
//! them as "ISO-8601 extended offset date-time", which in two places is wider than the RFC: seconds may be left out, and a
//! year may have more than four digits when it has a sign.

/// An instant with nanoseconds. Instants order by time, whatever offsets they were written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Nanoseconds within the second, 0 to 999,999,999.
    pub nanoseconds: u32,
}

const SECONDS_PER_MINUTE: i64 = 60;
const SECONDS_PER_HOUR: i64 = 3_600;
const SECONDS_PER_DAY: i64 = 86_400;
/// Offsets reach from -18:00 to +18:00.
const MAX_OFFSET_SECONDS: i64 = 18 * SECONDS_PER_HOUR;
/// A year has four digits, or up to nine behind a sign.
const MAX_YEAR_DIGITS: usize = 9;
/// Digits of a fraction of a second.
const MAX_FRACTION_DIGITS: usize = 9;

impl Timestamp {
    /// Milliseconds since 1970, rounded up, so that who waits for it does not wake up early.
    #[must_use]
    pub fn epoch_ms(self) -> i64 {
        self.seconds.saturating_mul(1000).saturating_add(i64::from(self.nanoseconds.div_ceil(1_000_000)))
    }

    /// Reads a timestamp; `None` when the text is none, such as one without `T`, without an offset or with a 13th month.
    #[must_use]
    pub fn parse(text: &str) -> Option<Timestamp> {
        let mut reader = Reader { bytes: text.as_bytes() };
        let year = reader.year()?;
        reader.expect(b'-')?;
        let month = reader.two_digits(1, 12)?;
        reader.expect(b'-')?;
        let day = reader.two_digits(1, days_in_month(year, month))?;
        reader.expect(b'T')?;
        let hour = reader.two_digits(0, 23)?;
        reader.expect(b':')?;
        let minute = reader.two_digits(0, 59)?;
        let mut second = 0;
        let mut nanoseconds = 0;
        if reader.accept(b':') {
            second = reader.two_digits(0, 59)?;
            if reader.accept(b'.') {
                nanoseconds = reader.fraction()?;
            }
        }
        let offset = reader.offset()?;
        if !reader.bytes.is_empty() {
            return None;
        }
        let time = hour * SECONDS_PER_HOUR + minute * SECONDS_PER_MINUTE + second;
        Some(Timestamp { seconds: days_since_epoch(year, month, day) * SECONDS_PER_DAY + time - offset, nanoseconds })
    }
}

/// What is left to read.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn accept(&mut self, byte: u8) -> bool {
        match self.bytes.split_first() {
            Some((first, rest)) if *first == byte => {
                self.bytes = rest;
                true
            }
            _ => false,
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.accept(byte).then_some(())
    }

    /// The value of the first `count` bytes, which must be digits.
    fn digits(&mut self, count: usize) -> Option<i64> {
        let digits = self.bytes.get(..count)?;
        let mut value = 0;
        for digit in digits {
            if !digit.is_ascii_digit() {
                return None;
            }
            value = value * 10 + i64::from(digit - b'0');
        }
        self.bytes = &self.bytes[count..];
        Some(value)
    }

    fn two_digits(&mut self, least: i64, most: i64) -> Option<i64> {
        self.digits(2).filter(|value| (least..=most).contains(value))
    }

    fn leading_digits(&self) -> usize {
        self.bytes.iter().take_while(|byte| byte.is_ascii_digit()).count()
    }

    /// Four digits; more only behind a sign, and `+` only before more.
    fn year(&mut self) -> Option<i64> {
        let negative = self.accept(b'-');
        let positive = !negative && self.accept(b'+');
        let count = self.leading_digits();
        let allowed = if positive {
            5..=MAX_YEAR_DIGITS
        } else if negative {
            4..=MAX_YEAR_DIGITS
        } else {
            4..=4
        };
        if !allowed.contains(&count) {
            return None;
        }
        let year = self.digits(count)?;
        match (negative, year) {
            (true, 0) => None,
            (true, year) => Some(-year),
            (false, year) => Some(year),
        }
    }

    fn fraction(&mut self) -> Option<u32> {
        let count = self.leading_digits();
        if count == 0 || count > MAX_FRACTION_DIGITS {
            return None;
        }
        let value = u32::try_from(self.digits(count)?).ok()?;
        let scale = u32::try_from(MAX_FRACTION_DIGITS - count).ok()?;
        Some(value * 10_u32.pow(scale))
    }

    /// `Z`, `+01:00` or `-01:00:30`, in seconds.
    fn offset(&mut self) -> Option<i64> {
        if self.accept(b'Z') {
            return Some(0);
        }
        let sign = if self.accept(b'-') {
            -1
        } else {
            self.expect(b'+')?;
            1
        };
        let hours = self.two_digits(0, 18)?;
        self.expect(b':')?;
        let minutes = self.two_digits(0, 59)?;
        let seconds = if self.accept(b':') { self.two_digits(0, 59)? } else { 0 };
        let offset = hours * SECONDS_PER_HOUR + minutes * SECONDS_PER_MINUTE + seconds;
        (offset <= MAX_OFFSET_SECONDS).then_some(sign * offset)
    }
}

fn is_leap_year(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap_year(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar. Years are counted from March, so that the leap day is their
/// last, and grouped into eras of 400 years (146,097 days), which all look the same.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    const DAYS_PER_ERA: i64 = 146_097;
    const DAYS_FROM_ERA_ZERO_TO_EPOCH: i64 = 719_468;
    let march_year = if month <= 2 { year - 1 } else { year };
    let era = march_year.div_euclid(400);
    let year_of_era = march_year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_PER_ERA + day_of_era - DAYS_FROM_ERA_ZERO_TO_EPOCH
}

#[cfg(test)]
mod tests {
    use super::Timestamp;
    use proptest::prelude::*;

    fn at(text: &str) -> Option<(i64, u32)> {
        Timestamp::parse(text).map(|timestamp| (timestamp.seconds, timestamp.nanoseconds))
    }

    #[test]
    fn reads_instants() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", (0, 0)),
            ("1969-12-31T23:59:59Z", (-1, 0)),
            ("2000-02-29T12:00:00Z", (951_825_600, 0)),
            ("2026-11-05T06:07:08Z", (1_793_858_828, 0)),
            ("2026-11-05T06:07:08+02:30", (1_793_858_828 - 9_000, 0)),
            ("2026-11-05T06:07:08-00:30", (1_793_858_828 + 1_800, 0)),
            ("2026-11-05T06:07:08-18:00", (1_793_858_828 + 64_800, 0)),
            ("2026-11-05T06:07Z", (1_793_858_820, 0)),
            ("1970-01-01T00:00:00.5Z", (0, 500_000_000)),
            ("1970-01-01T00:00:00.000000001Z", (0, 1)),
            ("0000-03-01T00:00:00Z", (-62_162_035_200, 0)),
            ("+10000-01-01T00:00:00Z", (253_402_300_800, 0)),
        ] {
            assert_eq!(at(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_instant() {
        for text in [
            "",
            "T",
            "2026-11-05",
            "2026-11-05T06:07:08",
            "2026-11-05 06:07:08Z",
            "2026-11-05t06:07:08Z",
            "2026-11-05T06:07:08z",
            "2026-13-05T06:07:08Z",
            "2026-00-05T06:07:08Z",
            "2026-02-29T06:07:08Z",
            "2026-11-31T06:07:08Z",
            "2026-11-05T24:00:00Z",
            "2026-11-05T06:60:08Z",
            "2026-11-05T06:07:60Z",
            "2026-11-05T06:07:08.Z",
            "2026-11-05T06:07:08.1234567890Z",
            "2026-11-05T06:07:08+0100",
            "2026-11-05T06:07:08+01",
            "2026-11-05T06:07:08+18:01",
            "2026-11-05T06:07:08ZZ",
            " 2026-11-05T06:07:08Z",
            "26-11-05T06:07:08Z",
            "+2026-11-05T06:07:08Z",
            "20260-11-05T06:07:08Z",
            "-0000-11-05T06:07:08Z",
            "2026-11-05T06:07:08é",
        ] {
            assert_eq!(at(text), None, "{text}");
        }
    }

    #[test]
    fn orders_by_time() {
        let parse = |text| Timestamp::parse(text).unwrap();
        assert_eq!(parse("2026-11-05T06:07:08Z"), parse("2026-11-05T07:07:08+01:00"));
        assert!(parse("2026-11-05T06:07:08Z") < parse("2026-11-05T06:07:08.000000001Z"));
        assert!(parse("2026-11-05T06:07:08+01:00") < parse("2026-11-05T06:07:08Z"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in ".*") {
            let _ = Timestamp::parse(&text);
        }

        #[test]
        fn days_follow_each_other(day in 0_i64..200_000) {
            let (mut year, mut month, mut left) = (1900, 1, day);
            while left >= super::days_in_month(year, month) {
                left -= super::days_in_month(year, month);
                (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
            }
            prop_assert_eq!(super::days_since_epoch(year, month, left + 1), super::days_since_epoch(1900, 1, 1) + day);
        }
    }
}
