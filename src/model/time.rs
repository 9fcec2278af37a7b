//! Times as text.

/// Months as HTTP names them.
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `2026-11-20T04:19:20.123Z`, as the context object gives times, of milliseconds since 1970.
#[must_use]
pub fn iso8601_ms(epoch_ms: u64) -> String {
    let (days, of_day) = ((epoch_ms / 86_400_000) as i64, epoch_ms % 86_400_000);
    let (year, month, day) = civil_from_days(days);
    let (seconds, milliseconds) = (of_day / 1000, of_day % 1000);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{milliseconds:03}Z",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// Milliseconds since 1970 of a time such as `2026-11-20T04:19:20.123Z`, with any offset, as AWS services write times;
/// `None` for anything else, and for times before 1970.
#[must_use]
pub fn parse_iso8601_ms(text: &str) -> Option<u64> {
    let (date, time) = text.split_once('T')?;
    let mut date = date.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let end = time.find(['Z', '+', '-'])?;
    let (time, offset) = time.split_at(end);
    let offset_minutes = match offset.strip_prefix('Z') {
        Some("") => 0,
        Some(_) => return None,
        None => {
            let (hours, minutes) = offset[1..].split_once(':')?;
            let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
            if offset.starts_with('-') { -minutes } else { minutes }
        }
    };
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut time = time.splitn(3, ':').map(str::parse::<i64>);
    let (hour, minute, second) = (time.next()?.ok()?, time.next()?.ok()?, time.next()?.ok()?);
    let milliseconds: u64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let seconds = epoch_seconds([year, month, day, hour, minute, second])? - offset_minutes * 60;
    Some(u64::try_from(seconds).ok()? * 1000 + milliseconds)
}

/// `Fri, 20 Nov 2026 04:19:20 GMT`, as HTTP gives times (RFC 9110, section 5.6.7), of milliseconds since 1970; years have four
/// digits.
#[must_use]
pub fn http_date(epoch_ms: u64) -> [u8; 29] {
    const DAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
    let (days, seconds) = (epoch_ms / 86_400_000, epoch_ms / 1000 % 86_400);
    let (year, month, day) = civil_from_days(days as i64);
    let mut text = *b"Thu, 00 Jan 0000 00:00:00 GMT";
    let mut put = |at: usize, number: u64| {
        text[at] = b'0' + (number / 10 % 10) as u8;
        text[at + 1] = b'0' + (number % 10) as u8;
    };
    put(5, day as u64);
    put(12, year as u64 / 100);
    put(14, year as u64);
    put(17, seconds / 3600);
    put(20, seconds / 60 % 60);
    put(23, seconds % 60);
    text[..3].copy_from_slice(DAYS[(days % 7) as usize]);
    text[8..11].copy_from_slice(MONTHS[(month - 1) as usize].as_bytes());
    text
}

/// Milliseconds since 1970 of a time such as `Fri, 20 Nov 2026 04:19:20 GMT` (RFC 9110, section 5.6.7); `None` for
/// anything else.
#[must_use]
pub fn parse_http_date_ms(text: &str) -> Option<u64> {
    let mut parts = text.split_once(", ")?.1.strip_suffix(" GMT")?.split(' ');
    let day: i64 = parts.next()?.parse().ok()?;
    let name = parts.next()?;
    let month = MONTHS.iter().position(|month| *month == name)? as i64 + 1;
    let year: i64 = parts.next()?.parse().ok()?;
    let mut time = parts.next()?.splitn(3, ':').map(str::parse::<i64>);
    let (hour, minute, second) = (time.next()?.ok()?, time.next()?.ok()?, time.next()?.ok()?);
    let seconds = epoch_seconds([year, month, day, hour, minute, second])?;
    Some(u64::try_from(seconds).ok()? * 1000)
}

/// Seconds since 1970 of year, month, day, hour, minute and second (Howard Hinnant's algorithm the other way round).
fn epoch_seconds([year, month, day, hour, minute, second]: [i64; 6]) -> Option<i64> {
    let fits = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..=23).contains(&hour)
        && (0..=59).contains(&minute)
        && (0..=60).contains(&second);
    if !fits {
        return None;
    }
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some((era * 146_097 + day_of_era - 719_468) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Year, month and day of a day counted from 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_with_milliseconds() {
        for (time, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_709_210_096_789, "2024-02-29T12:34:56.789Z"),
            (1_767_225_599_999, "2025-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(iso8601_ms(time), text);
        }
    }

    #[test]
    fn times_are_read_back() {
        for time in [0, 1_709_210_096_789, 1_767_225_599_999] {
            assert_eq!(parse_iso8601_ms(&iso8601_ms(time)), Some(time));
        }
        assert_eq!(parse_iso8601_ms("2024-02-29T14:34:56+02:00"), Some(1_709_210_096_000));
        for (time, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (1_709_210_096_789, "Thu, 29 Feb 2024 12:34:56 GMT"),
            (1_767_225_599_999, "Wed, 31 Dec 2025 23:59:59 GMT"),
        ] {
            assert_eq!(String::from_utf8_lossy(&http_date(time)), text);
            assert_eq!(parse_http_date_ms(text), Some(time / 1000 * 1000));
        }
        for text in ["", "2024-02-29", "2024-13-01T00:00:00Z", "2024-02-29T12:34:56", "2024-02-29T12:34:56Zx"] {
            assert_eq!(parse_iso8601_ms(text), None, "{text}");
        }
    }
}
