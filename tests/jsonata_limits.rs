//! Hostile expressions: each ends as an error in time and within its memory, which a counting allocator sees. The allocator
//! also ends the test when an expression wants far too much, so that a new hole does not take the machine with it: one of the
//! first runs was ended by the kernel at 23 GB. That depended on how busy the machine was, as does what the base does at the end
//! of an evaluation with `%`, `@` or `#` that ends in time: it makes the whole result anew, however much of it is shared.

#![allow(clippy::print_stdout, reason = "what each expression takes is worth seeing")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    collections::HashMap,
    fs,
};

use expressway::{
    Value,
    clock::{Clock, SystemClock},
    query::jsonata::{Evaluated, Expression, JsonataEnvironment},
};

/// Longest time for one expression, on the processor where the machine tells that, as tests run beside each other. The limit
/// is 150 ms with optimization.
const MAX_MS: u64 = if cfg!(debug_assertions) { 600 } else { 150 };
/// Most memory for one expression.
const MAX_BYTES: isize = 64 << 20;
/// More than this is not given to a thread: the test ends before it takes the machine with it.
const MAX_GIVEN_BYTES: isize = 1 << 30;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

impl Counting {
    fn count(bytes: isize) {
        // Threads that end allocate and free after their counters are gone.
        let _ = HELD.try_with(|held| {
            held.set(held.get() + bytes);
            let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
        });
    }

    fn is_given(bytes: usize) -> bool {
        HELD.try_with(|held| held.get() + bytes as isize <= MAX_GIVEN_BYTES).unwrap_or(true)
    }
}

#[allow(unsafe_code, reason = "an allocator is unsafe by its contract")]
// SAFETY: every call is handed on to the system's allocator as it came; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !Self::is_given(layout.size()) {
            return std::ptr::null_mut();
        }
        Self::count(layout.size() as isize);
        // SAFETY: the caller's obligations are those of this method.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        Self::count(-(layout.size() as isize));
        // SAFETY: the caller's obligations are those of this method.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if !Self::is_given(new_size) {
            return std::ptr::null_mut();
        }
        // While it is moved, both are held.
        Self::count(new_size as isize);
        Self::count(-(layout.size() as isize));
        // SAFETY: the caller's obligations are those of this method.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Default)]
struct Data {
    input: Option<Value>,
    variables: HashMap<&'static str, Value>,
}

impl JsonataEnvironment for Data {
    fn input(&self) -> Option<&Value> {
        self.input.as_ref()
    }
    fn result(&self) -> Option<&Value> {
        None
    }
    fn error_output(&self) -> Option<&Value> {
        None
    }
    fn context(&self) -> Option<&Value> {
        None
    }
    fn variable(&self, name: &str) -> Option<&Value> {
        self.variables.get(name)
    }
    fn random(&self) -> u64 {
        1
    }
    fn now_ms(&self) -> u64 {
        0
    }
}

/// Microseconds that this thread has had a processor; the time, where the system does not tell.
fn spent_us(clock: &SystemClock) -> u64 {
    let on_processor = || -> Option<u64> {
        let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        Some(text.split(' ').next()?.parse::<u64>().ok()? / 1000)
    };
    on_processor().unwrap_or_else(|| clock.monotonic_us())
}

/// Evaluates, and returns the outcome with what it took: milliseconds and bytes.
fn measured(text: &str, data: &Data) -> (Result<Evaluated, String>, u64, isize) {
    let clock = SystemClock::new();
    let expression = Expression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let before = HELD.get();
    PEAK.set(before);
    let start = spent_us(&clock);
    let outcome = expression.evaluate(data).map_err(|error| error.to_string());
    let milliseconds = (spent_us(&clock) - start) / 1000;
    (outcome, milliseconds, PEAK.get() - before)
}

/// An expression that must end as an error, within the limits.
fn refused_with(text: &str, data: &Data) {
    let (outcome, milliseconds, bytes) = measured(text, data);
    let short: String = text.chars().take(120).collect();
    println!("{milliseconds:4} ms {:6} KiB  {short}  =>  {outcome:.90?}", bytes >> 10);
    assert!(outcome.is_err(), "{short} gives a result");
    bounded(&short, milliseconds, bytes);
}

/// An expression that may end as it likes, within the limits.
fn bounded_with(text: &str, data: &Data) {
    let (outcome, milliseconds, bytes) = measured(text, data);
    let short: String = text.chars().take(120).collect();
    let ended = if outcome.is_ok() { "a result".into() } else { format!("{outcome:.90?}") };
    println!("{milliseconds:4} ms {:6} KiB  {short}  =>  {ended}", bytes >> 10);
    bounded(&short, milliseconds, bytes);
}

fn bounded(text: &str, milliseconds: u64, bytes: isize) {
    assert!(milliseconds <= MAX_MS, "{text} takes {milliseconds} ms");
    assert!(bytes <= MAX_BYTES, "{text} takes {bytes} bytes");
}

fn refused(text: &str) {
    refused_with(text, &Data::default());
}

/// `$d` doubles `seed` `times` times by `step`, which names the last value `$x`.
fn doubled(seed: &str, step: &str, times: usize, end: &str) -> String {
    format!("($d := function($x, $n) {{ $n = 0 ? $x : $d({step}, $n - 1) }}; $x := $d({seed}, {times}); {end})")
}

#[test]
fn pad() {
    refused("$pad('x', 2000000000)");
    refused("$pad('x', -2000000000, 'ab')");
    refused("($p := $pad; $p('x', 2000000000))");
    refused("($p := $pad(?, ?); $p('x', 2000000000))");
    refused("'x' ~> $pad(2000000000)");
    refused("$map([2000000000], function($n) { $pad('x', $n) })");
    refused("[1..100000].$pad('x', 200000)");
}

#[test]
fn pictures() {
    let data = Data { variables: HashMap::from([("p", Value::from("#".repeat(200_000)))]), ..Data::default() };
    refused_with("$formatNumber(1, $p & '0')", &data);
    refused_with("$formatInteger(1, $p & '0')", &data);
    refused_with("1 ~> $formatNumber($p & '0')", &data);
    refused_with("($f := $formatNumber; $f(1, $p & '0'))", &data);
    refused_with("$fromMillis(1, $p)", &data);
    refused_with("$now($p)", &data);
    refused(&doubled("'#'", "$x & $x", 25, "$formatNumber(1, $x)"));
}

#[test]
fn split_of_a_huge_string() {
    refused(&doubled("'ab'", "$x & $x", 20, "$split($x, '')"));
    refused(&doubled("'ab'", "$x & $x", 20, "$split($x, 'b')"));
    refused(&doubled("'ab'", "$x & $x", 20, "$split($x, /b/)"));
    refused(&doubled("'ab'", "$x & $x", 20, "$x ~> $split('b')"));
    refused(&doubled("'ab'", "$x & $x", 20, "($s := $split; $s($x, 'b'))"));
    refused(&doubled("'ab'", "$x & $x", 20, "$match($x, /b/)"));
    refused(&doubled("'a'", "$x & $x", 14, "[1..10000].$split($x, '')"));
}

#[test]
fn replacement_growth() {
    refused(&doubled("'aa'", "$replace($x, 'a', 'aaaa')", 20, "$length($x)"));
    refused(&doubled("'aa'", "$replace($x, /a/, '$0$0$0')", 20, "$length($x)"));
    refused(&doubled("'aa'", "$replace($x, /a/, function($m) { $m.match & $m.match })", 24, "$length($x)"));
    refused(&doubled("'aa'", "$x & $x", 18, "$replace($x, 'a', $x)"));
    refused(&doubled("'aa'", "$x & $x", 18, "$replace($x, /a/, function() { $x })"));
    refused(&doubled("'aa'", "$x & $x", 18, "($f := function() { $x }; $replace($x, /a/, $f))"));
    refused(&doubled("'aa'", "$x & $x", 18, "($r := $replace(?, 'a', $x); $r($x))"));
}

#[test]
fn string_doubling() {
    refused(&doubled("'x'", "$x & $x", 40, "$length($x)"));
    refused(&doubled("'x'", "$join([$x, $x])", 40, "$length($x)"));
    refused(&doubled("['x']", "[$x, $x]", 18, "$join($x, $join($x))"));
    refused(&doubled("'x'", "$string([$x, $x])", 40, "$length($x)"));
    refused(&doubled("'x'", "$uppercase($x & $x)", 40, "$length($x)"));
    refused(&doubled("'x'", "$encodeUrlComponent('%' & $x)", 40, "$map([1..1000], function($i) { $d($x, 20) })"));
    let mut text = String::from("($a0 := 'xxxxxxxx'; ");
    for step in 1..60 {
        text.push_str(&format!("$a{step} := $a{0} & $a{0}; ", step - 1));
    }
    refused(&format!("{text} $length($a59))"));
    refused(&doubled("'xxxxxxxx'", "$x & $x", 14, "[1..1000000].($x & $string($))"));
    refused(&doubled(
        "'xxxxxxxx'",
        "$x & $x",
        14,
        "$map([1..1000], function() { $map([1..1000], function() { $uppercase($x) }) })",
    ));
    refused(&doubled("'xxxxxxxx'", "$x & $x", 16, "[1..1000].$uppercase($x)"));
    refused(&doubled("'xxxxxxxx'", "$x & $x", 16, "$map([1..1000].($x), $uppercase)"));
}

#[test]
fn array_doubling() {
    refused(&doubled("[1]", "[$x, $x]", 40, "$count($x)"));
    refused(&doubled("[1]", "$append($x, $x)", 40, "$count($x)"));
    refused(&doubled("[1]", "$x ~> $append($x)", 40, "$count($x)"));
    refused(&doubled("[1]", "$reduce([$x, $x], $append)", 40, "$count($x)"));
    refused(&doubled("[1]", "[[$x], [$x]].$", 40, "$count($x)"));
    refused(&doubled("[1, 2]", "$x.($x)", 20, "$count($x)"));
    refused(&doubled("{'a': 1}", "$merge([$x, {$string($n): $x}])", 3000, "$count($keys($x))"));
}

#[test]
fn nested_cartesian_products() {
    refused("[1..10000].([1..10000].([1..10000]))");
    refused("($r := [1..10000]; $r.($r.($r)))");
    refused("($r := [1..1000]; $map($r, function($a) { $map($r, function($b) { $map($r, function($c) { $a }) }) }))");
    refused("($r := [1..1000]; $r.$r.$r)");
    refused("($r := [1..10000]; $r@$a.$r@$b.{'a': $a, 'b': $b})");
    refused("($r := [1..1000]; $r.{'a': $, 'b': $r.{'c': $r}})");
    refused("($r := [1..1000]; [$r, $r, $r].[$r, $r, $r].[$r, $r].[$r, $r])");
    refused("($r := [1..3000]; $zip($r, $r, $r).($r[$ > 5]))");
    refused("($r := [1..2000]; $r[$r[$ > 1999] > 5])");
    refused("($r := [1..3000]; $sum($r.($sum($r.($sum($r))))))");
}

#[test]
fn shared_structure() {
    refused(&doubled("[1]", "[[$x], [$x]]", 40, "$x.**"));
    refused(&doubled("{'a': 1}", "{'l': $x, 'r': $x}", 40, "$x.**"));
    refused(&doubled("{'a': 1}", "{'l': $x, 'r': $x}", 40, "$x.**.a"));
    refused(&doubled("{'a': 1}", "{'l': $x, 'r': $x}", 40, "$x.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*"));
    refused(&doubled("{'a': 1}", "{'l': $x, 'r': $x}", 40, "$string($x)"));
    refused(&doubled("{'a': 1}", "{'l': $x, 'r': $x}", 40, "$x"));
    refused(&doubled("{'a': 1}", "{'l': $x, 'r': $x}", 40, "$x & ''"));
    refused(&doubled("{'a': 1}", "{'l': $x, 'r': $x}", 40, "$x = $d({'a': 1}, 40)"));
    refused(&doubled("{'a': 1}", "{'l': $x, 'r': $x}", 40, "$x ~> |**|{'b': 2}|"));
    refused(&doubled("{'a': 1}", "{'l': $x, 'r': $x}", 40, "$distinct([$x, $d({'a': 1}, 40)])"));
    refused(&doubled("[0]", "[[$x], [$x]]", 40, "$boolean($x)"));
    refused(&doubled("[0]", "[[$x], [$x]]", 40, "$x ? 1 : 2"));
    refused(&doubled("[0]", "[[$x], [$x]]", 40, "$x and 1"));
    refused(&doubled("[{'a': 0}]", "[[$x], [$x]]", 40, "$x.a"));
    refused(&doubled("[{'a': 0}]", "[[$x], [$x]]", 40, "$lookup($x, 'a')"));
    refused("$reduce([1..100000], function($x, $y) { [[$x]] })");
    refused("$string($reduce([1..20000], function($x, $y) { {'a': $x} }, 1), true)");
}

#[test]
fn deep_recursion() {
    refused("($f := function($n) { 1 + $f($n + 1) }; $f(0))");
    refused("($f := function($n) { [$f($n + 1)] }; $f(0))");
    refused("($f := function($n) { $n + $sum([$f($n + 1), $f($n + 2)]) }; $f(0))");
    refused("($f := function($n) { $n < 2 ? $n : $f($n - 1) + $f($n - 2) }; $f(60))");
    refused("($f := function($n) { $map([1, 2], function() { $f($n + 1) }) }; $f(0))");
}

#[test]
fn tail_recursion() {
    refused("($f := function() { $f() }; $f())");
    refused("($even := function($n) { $odd($n + 1) }; $odd := function($n) { $even($n + 1) }; $even(0))");
    refused("($f := function($x) { $f([$x, 1]) }; $f([]))");
    refused("($f := function($x) { $f($x & 'x') }; $f(''))");
    refused("($f := function($x) { $f({'a': $x}) }; $f(1))");
    refused("($y := function($f) { $f($f) }; $y($y))");
}

#[test]
fn regular_expressions() {
    let data = Data { variables: HashMap::from([("s", Value::from("a".repeat(200_000)))]), ..Data::default() };
    bounded_with("$match($s, /(a+)+$/)", &data);
    bounded_with("$contains($s, /(a|a)*b/)", &data);
    bounded_with("$replace($s, /(a*)*b/, 'x')", &data);
    bounded_with("$contains($s, /(x+x+)+y/)", &data);
    bounded_with("$contains($s, /^(([a-z])+.)+[A-Z]([a-z])+$/)", &data);
    bounded_with("$contains($s, /(a|b)*a(a|b){200}c/)", &data);
    bounded_with("$contains($s, /(a?){300}a{300}b/)", &data);
    bounded_with("$split($s, /(.*)(.*)(.*)(.*)(.*)b/)", &data);
    bounded_with("[1..100000].$contains($s, /(a+)+b/)", &data);
    refused_with("$match($s, /a/)", &data);
    assert!(Expression::parse("$match('a', /((a{1000}){1000}){1000}/)").is_err());
    assert!(Expression::parse("$match('a', /\\w{5000}/)").is_err());
}

#[test]
fn ranges() {
    refused("[1..1000000000]");
    refused("[1..9999999]");
    refused("$count([1..9999999])");
    refused("[-9007199254740992..9007199254740992]");
    refused("[1..1e300]");
    refused("$range(1, 1000000000, 1)");
    refused("$range(0, 1e300, 1)");
    refused("[[1..400000], [1..400000], [1..400000]]");
    refused("$map([1..1000], function() { [1..100000] })");
    refused("[1..1000000000] ~> $sum()");
}

/// Programs of our own have no recursion and no ranges, but loops over data and what is shared.
#[test]
fn programs_of_our_own() {
    let items = Value::array((0..3000).map(|place| Value::object([("n", Value::from(place)), ("z", Value::from(0))])));
    let wide = Value::object((0..20_000).map(|place| (format!("k{place}"), Value::from(place))));
    let input = Value::object([("a", items), ("w", wide), ("s", Value::from("x".repeat(100_000)))]);
    let data = Data { input: Some(Value::parse(&input.to_json()).unwrap()), ..Data::default() };
    let over = |body: &str| format!("$map($states.input.a, function($x) {{ {body} }})");
    let fast = |text: &str| {
        assert!(Expression::parse(text).unwrap().is_fast(), "{text}");
        refused_with(text, &data);
    };
    fast(&over(&format!("$sum({})", over("$x.n"))));
    fast("$states.input.a.($states.input.a.($states.input.a))");
    fast("$count($states.input.a.($states.input.a.n))");
    fast("$states.input.a[$states.input.a[$states.input.a[n < 0]]]");
    fast(&over("$states.input = $states.input"));
    fast(&over("$uppercase($states.input.s)"));
    fast(&over("$states.input.s & $x.n"));
    fast(&over("$count($states.input.a[$length($states.input.s) < n])"));
    fast(&over(&format!("$count({})", over("$states.input.w.k19999 = $x.n"))));
    fast(&over("$count($states.input.a.($string($states.input.w)))"));
    fast(&over("$merge([$states.input.w, $states.input.w])"));
    let doubled = |seed: &str, step: &str, end: &str| {
        let mut text = format!("($a0 := {seed}; ");
        for place in 1..60 {
            text.push_str(&format!("$a{place} := {}; ", step.replace('@', &format!("$a{}", place - 1))));
        }
        text + end + ")"
    };
    fast(&doubled("'xxxxxxxx'", "@ & @", "$length($a59)"));
    fast(&doubled("[1, 2]", "[@, @]", "$count($a59)"));
    fast(&doubled("[0]", "[[@], [@]]", "$a59"));
    fast(&doubled("[0]", "[[@], [@]]", "$boolean($a59)"));
    fast(&doubled("[0]", "[[@], [@]]", "$a59 = $a59"));
    fast(&doubled("[0]", "[[@], [@]]", "$string($a59)"));
    fast(&doubled("[{'b': 1}]", "[[@], [@]]", "$a59.b"));
    fast(&doubled("{'b': 1}", "{'l': @, 'r': @}", "$a59"));
    fast(&doubled("{'b': 1}", "{'l': @, 'r': @}", "$string($a59)"));
    fast(&doubled("{'b': 1}", "{'l': @, 'r': @}", "$a59 = $a59"));
    fast(&doubled("{'b': 1}", "$merge([@, {'l': @, 'r': @}])", "$a59 & ''"));
    fast(&doubled("'x'", "$join([@, @, @, @])", "$a59"));
    fast(&doubled("[1]", "$append(@, @)", "$count($a59)"));
}

#[test]
fn parsing() {
    let text = "[".repeat(300_000) + &"]".repeat(300_000);
    let data = Data { variables: HashMap::from([("t", Value::from(text))]), ..Data::default() };
    bounded_with("$parse($t)", &data);
    let text = format!("[{}0]", "0,".repeat(1_000_000));
    let data = Data { variables: HashMap::from([("t", Value::from(text))]), ..Data::default() };
    refused_with("$parse($t)", &data);
    let deep = "(".repeat(2000) + "1" + &")".repeat(2000);
    assert!(Expression::parse(&deep).is_err());
    assert!(Expression::parse(&format!("1{}", "+1".repeat(100_000))).is_err());
}

/// Large data, as far as a payload and variables hold it.
fn large() -> Data {
    let parsed = |text: String| Value::parse(&text).expect("what is written is JSON");
    let list = |items: Vec<String>| parsed(format!("[{}]", items.join(",")));
    let members: Vec<_> = (0..20_000).map(|place| format!("\"k{place}\":{place}")).collect();
    let variables = HashMap::from([
        ("z", list(vec!["0".into(); 120_000])),
        ("n", list((0..50_000).map(|place| (place * 7919 % 50_021).to_string()).collect())),
        ("l", list((0..20_000).map(|place| format!("{{\"a\":{place}}}")).collect())),
        ("o", parsed(format!("{{{}}}", members.join(",")))),
        ("t", Value::from("a".repeat(4000))),
        ("s", Value::from("a".repeat(200_000))),
    ]);
    Data { variables, ..Data::default() }
}

/// `times` variables, each of which holds what `expression` gives.
fn held(expression: &str, times: usize) -> String {
    let bindings: String = (0..times).map(|place| format!("$a{place} := {expression}; ")).collect();
    format!("({bindings} 1)")
}

#[test]
fn numbers_as_letters() {
    refused("$formatInteger(1e15, 'I')");
    refused("$formatInteger(-9e18, 'i')");
    refused("$formatInteger(1e15, 'I;o')");
    refused("[1e15].$formatInteger('I')");
    refused("1e15 ~> $formatInteger('i')");
    refused("($f := $formatInteger; $f(1e15, 'I'))");
    refused("($f := $formatInteger(?, 'I'); $f(1e15))");
    refused("$map([1e15], function($n) { $formatInteger($n, 'I') })");
    bounded_with("[1..10000].$formatInteger(999999, 'I')", &Data::default());
    bounded_with("[1..10000].$formatInteger(1e308, 'w')", &Data::default());
    bounded_with("$formatInteger(1e308, 'A')", &Data::default());
    bounded_with("$formatBase(1e308, 2)", &Data::default());
    bounded_with("$round(1.5, 2000000000)", &Data::default());
}

/// Markers of dates that ask for very many digits; some would make the base panic.
#[test]
fn widths_of_dates() {
    refused("$fromMillis(0, '[Y0001,2000000000]')");
    refused("$fromMillis(0, '[D,1000000000]')");
    refused("$fromMillis(0, '[M01,99999999999999999999999]')");
    refused("$fromMillis(0, '[Y,*-64]')");
    refused(&format!("$fromMillis(0, '[Y{}]')", "0".repeat(64)));
    refused("$now('[Y,1000000000]')");
    refused("0 ~> $fromMillis('[f,4000000000]')");
    refused("($f := $fromMillis(?, '[H,4000000000]'); $f(0))");
    refused("$toMillis('20180101', '[Y,1000000-1000000][M,1000000-2000000][D01]')");
    let data = Data::default();
    let (outcome, ..) = measured("$fromMillis(0, '[Y0001,4-4]-[M01]-[D01] [f001,1-18]')", &data);
    assert!(matches!(outcome, Ok(Evaluated::Value(_))), "{outcome:?}");
}

/// What functions copy, or make anew.
#[test]
fn copies_of_arrays() {
    let data = large();
    refused_with(&format!("$zip({})", vec!["$n"; 100].join(",")), &data);
    refused_with(&format!("($r := [1..350000]; $zip({}))", vec!["$r"; 20].join(",")), &data);
    for copy in [
        "$zip($z)",
        "$z ~> $zip()",
        "$partition($z, 1)",
        "$z ~> $partition(1)",
        "$sort($z)",
        "$z ~> $sort()",
        "$shuffle($z)",
        "$reverse($z)",
        "$filter($z, function($x) { true })",
        "$z ~> $filter(function($x) { true })",
        "$map($z, function($x) { true })",
        "$z ~> $map($string)",
        "$map($z, $string)",
        "$spread($o)",
        "$o ~> $spread()",
        "$keys($o)",
        "$each($o, function($v) { $v })",
        "$o ~> $sift(function($v) { true })",
        "$o ~> |$|{}|",
        "$l ~> |$|{'b': 1}|",
        "$l.{'a': a, 'b': a}",
        "$l{$string(a): a}",
        "$l^(a)",
        "$z[true]",
        "$z.($ + 1)",
        "$z.{'a': $}",
        "$append($z, $z)",
        "[$z, $z, $z]",
        "$range(1, 360000, 1)",
        "[1..350000]",
        "$l.$split('a,b,c,d', ',')",
        "$l.$match('abc', /b/)",
    ] {
        refused_with(&held(copy, 300), &data);
    }
    refused_with(&format!("$n^({})", vec!["$"; 300].join(",")), &data);
}

/// Streams that keep where each item came from.
#[test]
fn tuples() {
    let data = large();
    refused_with("[1..300000]#$i", &data);
    refused_with("[1..300000]#$i.$i", &data);
    refused_with("($r := [1..300000]; $r#$i.$i)", &data);
    refused_with("$z#$i.{'a': $i}", &data);
    refused_with("{'q': $z}.q.%", &data);
    refused_with("{'q': $z}.q.%.q.%.q", &data);
    refused_with("{'q': $z}#$i.*", &data);
    refused_with("[1..3]#$i.[1..200000]", &data);
    refused_with("[1..3]#$i.$range(1, 200000, 1)", &data);
    refused_with("[{'a': 1}, {'a': 2}].a.(%.[1..200000])", &data);
    refused_with(&held("$l.a.%", 40), &data);
    refused_with(&held("$l@$x.$x", 40), &data);
    bounded_with("{'q': $l}.q.a.%.%", &data);
    // Results of theirs are made anew, and what is shared in them as often as it stands there.
    let order = "$d := {'o': [{'p': 1}, {'p': 2}, {'p': 3}]}";
    refused_with(&format!("({order}; $map([1..1000], function($v) {{ $d.o.p.{{'c': $n, 't': %.p}} }}))"), &data);
    refused(&doubled("{'a': 1}", "{'l': $x, 'r': $x}", 40, "($l := [{'p': 1}]; [$l.p.%, $x])"));
    refused(&doubled("{'a': 1}", "{'l': $x, 'r': $x}", 40, "($l := [1, 2]; $l#$i; $x)"));
}

/// Places that a transform changes are searched for one by one.
#[test]
fn transforms() {
    let data = large();
    refused_with("$n ~> |**['a']|{'b': 1}|", &data);
    refused_with("$l ~> |**['a']|{'b': 1}, ['a']|", &data);
    bounded_with("$l[[0..5000]] ~> |$|{'b': 1}|", &data);
}

/// Arrays of places, which are looked through for each item.
#[test]
fn predicates() {
    let data = large();
    refused_with("($z^($))[$z]", &data);
    refused_with("$z[$z]", &data);
    refused_with("$z[[1..100000]]", &data);
    refused_with("$z[$map($z, function($x) { $x })]", &data);
}

/// Functions as values, of which there are many.
#[test]
fn functions_as_items() {
    let data = large();
    refused_with("$z.(function($y) { $y })", &data);
    refused_with("$map($z, function($x) { function($y) { $x } })", &data);
    refused_with("$map($z, function($x) { ($f := function($y) { $x }; $f) })", &data);
    refused_with(&held("$l.($string ~> $length)", 50), &data);
    refused_with(&held("$l.$substring(?, 1)", 50), &data);
    refused_with(&held("$l.$power(?, 1)", 50), &data);
    // Each has a copy of its text.
    let (sum, objects) = (format!("$y {}", "+ 1 ".repeat(200)), vec!["{'a': 1}"; 400].join(","));
    refused_with(&format!("$z.(function($y) {{ {sum} }})"), &data);
    refused_with(&format!("$map($z, function($x) {{ function($y) {{ {sum} }} }})"), &data);
    refused_with(&format!("($f := function($g) {{ $g }}; $z.$f(function($y) {{ {sum} }}))"), &data);
    refused_with(&format!("$z.$append([], function($y) {{ {sum} }})"), &data);
    refused_with(&format!("$z.(function($y) {{ [{objects}] }})"), &data);
    refused_with("$z.($string ~> $length ~> $string ~> $length ~> $string)", &data);
    refused_with("$z.($string)", &data);
}

#[test]
fn comparisons_while_sorting() {
    let data = large();
    bounded_with("$z ~> $sort(function($a, $b) { true })", &data);
    bounded_with("$sort($z, function($a, $b) { $a })", &data);
    bounded_with("($f := function($a, $b) { true }; $sort($z, $f))", &data);
    bounded_with("$sort($n, function($a, $b) { $sum($n) > 0 })", &data);
    bounded_with("$z^($)^($)^($)^($)^($)^($)", &data);
    bounded_with("$n[$ in $n]", &data);
}

/// Groups are looked for in time and memory in proportion to their number.
#[test]
fn groups_of_regular_expressions() {
    let data = large();
    let groups = "(a?)".repeat(700);
    refused_with(&format!("$replace($t, /(a|b)*{groups}/, 'x')"), &data);
    refused_with(&format!("$match($t, /(a|b)*{groups}/)"), &data);
    bounded_with(&format!("$match($t, /(a|b)*{groups}c/)"), &data);
    bounded_with(&format!("$match($t, /(a|b)*{}c/)", "()".repeat(1500)), &data);
    bounded_with("[1..1000].$match($t, /(a?){300}a{300}b/)", &data);
    bounded_with(r"$match($t, /(\w+)(\w+)(\w+)(\w+)/)", &data);
    bounded_with(r"$replace($s, /(\w*)(\w*)b/, 'x')", &data);
    bounded_with(r"$match($s, /((a|b)*)*/)", &data);
    let lines = Value::from("2026-11-18 GET /orders/118734 200 17ms\n".repeat(4000));
    let data = Data { variables: HashMap::from([("t", lines)]), ..Data::default() };
    let (outcome, ..) = measured(r"$count($match($t, /(\d+)-(\d+)-(\d+) (\w+)/, 1000))", &data);
    assert!(matches!(outcome, Ok(Evaluated::Value(_))), "{outcome:?}");
}

/// An evaluation of our own program that ends in the base has no more time than any other.
#[test]
fn both_ways_share_their_time() {
    let data = large();
    bounded_with("$map($z, function($x, $i) { $i = 119999 ? $uppercase(1) : $string($x) & 'x' & $x & $i })", &data);
}

/// What people do write stays within the limits.
#[test]
fn ordinary_work_is_not_refused() {
    let items = Value::array((0..2000).map(|place| {
        Value::object([
            ("id", Value::from(place)),
            ("price", Value::from(f64::from(place) * 1.5)),
            ("name", Value::from("item")),
        ])
    }));
    let data = Data { input: Some(Value::object([("items", items)])), ..Data::default() };
    for text in [
        "$states.input.items[price > 10].name",
        "$sum($states.input.items.(price * 2))",
        "$states.input.items.{'id': id, 'cost': price * 1.2, 'label': name & '-' & id}",
        "$reduce($states.input.items.price, function($a, $b) { $a + $b })",
        "$states.input.items^(>price)[0].id",
        "$join($states.input.items.name, ', ')",
        "$distinct($states.input.items.id)",
        "$split($join($states.input.items.name, ','), ',')",
        "$replace($join($states.input.items.name, ','), /t(.)/, '$1$1')",
        "$states.input.items{name: $sum(price)}",
        "$string($states.input)",
        "$match($join($states.input.items.name, ','), /i.{2}m/).index",
    ] {
        let (outcome, milliseconds, bytes) = measured(text, &data);
        println!("{milliseconds:4} ms {:6} KiB  {text}", bytes >> 10);
        assert!(matches!(outcome, Ok(Evaluated::Value(_))), "{text}: {outcome:?}");
    }
}
