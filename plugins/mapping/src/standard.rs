//! jq's standard filters that are written in jq. A definition is parsed when a filter uses it.

/// Name, number of parameters, definition.
static DEFINITIONS: &[(&str, usize, &str)] = &[
    ("recurse", 0, "def recurse: recurse(.[]?);"),
    ("recurse", 1, "def recurse(f): def again: ., (f | again); again;"),
    ("recurse", 2, "def recurse(f; more): def again: ., (f | select(more) | again); again;"),
    ("add", 1, "def add(f): reduce f as $item (null; . + $item);"),
    ("del", 1, "def del(f): delpaths([path(f)]);"),
    ("paths", 0, "def paths: path(recurse) | select(length > 0);"),
    ("paths", 1, "def paths(f): path(recurse | select(f)) | select(length > 0);"),
    ("leaf_paths", 0, "def leaf_paths: paths(scalars);"),
    ("pick", 1, "def pick(f): . as $all | reduce path(f) as $path (null; setpath($path; $all | getpath($path)));"),
    ("arrays", 0, "def arrays: select(type == \"array\");"),
    ("objects", 0, "def objects: select(type == \"object\");"),
    ("iterables", 0, "def iterables: select(type | . == \"array\" or . == \"object\");"),
    ("scalars", 0, "def scalars: select(type | . != \"array\" and . != \"object\");"),
    ("booleans", 0, "def booleans: select(type == \"boolean\");"),
    ("numbers", 0, "def numbers: select(type == \"number\");"),
    ("strings", 0, "def strings: select(type == \"string\");"),
    ("nulls", 0, "def nulls: select(. == null);"),
    ("values", 0, "def values: select(. != null);"),
    ("normals", 0, "def normals: select(isnormal);"),
    ("finites", 0, "def finites: select(isfinite);"),
    ("isfinite", 0, "def isfinite: type == \"number\" and (isinfinite | not);"),
    ("in", 1, "def in(f): . as $key | f | has($key);"),
    ("inside", 1, "def inside(f): . as $part | f | contains($part);"),
    (
        "combinations",
        0,
        "def combinations: if length == 0 then [] else \
        .[0][] as $first | (.[1:] | combinations) as $rest | [$first] + $rest end;",
    ),
    ("combinations", 1, "def combinations(n): . as $all | [range(n) | $all] | combinations;"),
    (
        "walk",
        1,
        "def walk(f): def deeper: \
        if type == \"object\" then map_values(deeper) elif type == \"array\" then map(deeper) else . end | f; deeper;",
    ),
    ("transpose", 0, "def transpose: [range(map(length) | max // 0) as $i | [.[][$i]]];"),
    ("while", 2, "def while(more; next): def again: if more then ., (next | again) else empty end; again;"),
    ("until", 2, "def until(done; next): def again: if done then . else (next | again) end; again;"),
    // As in jq, each output of the argument is repeated without end.
    ("repeat", 1, "def repeat(f): def again: f, again; again;"),
    (
        "range",
        3,
        "def range($from; $to; $by): \
        if $by > 0 then $from | while(. < $to; . + $by) \
        elif $by < 0 then $from | while(. > $to; . + $by) else empty end;",
    ),
    ("first", 1, "def first(f): label $done | f | ., break $done;"),
    ("last", 1, "def last(f): reduce f as $item ([]; [$item]) | .[];"),
    (
        "nth",
        2,
        "def nth($n; f): \
        if $n < 0 then error(\"nth doesn't support negative indices\") else first(skip($n; f)) end;",
    ),
    (
        "limit",
        2,
        "def limit($n; f): \
        if $n > 0 then label $done | foreach f as $item ($n; . - 1; $item, if . <= 0 then break $done else empty end) \
        elif $n == 0 then empty else error(\"limit doesn't support negative count\") end;",
    ),
    (
        "skip",
        2,
        "def skip($n; f): \
        if $n > 0 then foreach f as $item ($n; . - 1; if . < 0 then $item else empty end) \
        elif $n == 0 then f else error(\"skip doesn't support negative count\") end;",
    ),
    ("isempty", 1, "def isempty(f): first((f | false), true);"),
    ("any", 0, "def any: any(.[]; .);"),
    ("any", 1, "def any(f): any(.[]; f);"),
    ("any", 2, "def any(items; f): isempty(items | f or empty) | not;"),
    ("all", 0, "def all: all(.[]; .);"),
    ("all", 1, "def all(f): all(.[]; f);"),
    ("all", 2, "def all(items; f): isempty(items | f and empty);"),
    ("index", 1, "def index($part): indices($part) | .[0];"),
    ("rindex", 1, "def rindex($part): indices($part) | .[-1:][0];"),
    ("fromdateiso8601", 0, "def fromdateiso8601: strptime(\"%Y-%m-%dT%H:%M:%SZ\") | mktime;"),
    ("todateiso8601", 0, "def todateiso8601: strftime(\"%Y-%m-%dT%H:%M:%SZ\");"),
    ("fromdate", 0, "def fromdate: fromdateiso8601;"),
    ("todate", 0, "def todate: todateiso8601;"),
    ("dateadd", 2, "def dateadd(unit; $n): . + $n;"),
    ("datesub", 2, "def datesub(unit; $n): . - $n;"),
    ("date", 0, "def date: todate;"),
    ("match", 1, "def match($re): _pattern($re) as [$re, $flags] | match($re; $flags);"),
    ("match", 2, "def match(re; flags): _matches(re; flags; false) | .[];"),
    ("test", 1, "def test($re): _pattern($re) as [$re, $flags] | test($re; $flags);"),
    ("test", 2, "def test(re; flags): _matches(re; flags; true);"),
    ("capture", 1, "def capture($re): _pattern($re) as [$re, $flags] | capture($re; $flags);"),
    ("capture", 2, "def capture(re; flags): match(re; flags) | _captures;"),
    ("scan", 1, "def scan($re): scan($re; null);"),
    (
        "scan",
        2,
        "def scan($re; $flags): match($re; \"g\" + $flags) \
        | if (.captures | length) > 0 then [.captures[].string] else .string end;",
    ),
    ("split", 2, "def split($re; $flags): [splits($re; $flags)];"),
    ("splits", 1, "def splits($re): splits($re; null);"),
    (
        "splits",
        2,
        "def splits($re; $flags): .[foreach (match($re; $flags + \"g\"), null) as $match \
        (null; {start: .next, end: $match.offset, next: ($match.offset + $match.length)} )];",
    ),
    ("sub", 2, "def sub($re; s): sub($re; s; \"\");"),
    (
        "sub",
        3,
        "def sub($re; s; $flags): . as $all | (reduce match($re; $flags) as $match ({texts: [], end: 0}; \
        $all[.end:$match.offset] as $gap | [$match | _captures | s] as $inserts \
        | reduce range($inserts | length) as $i (.; .texts[$i] += $gap + $inserts[$i]) \
        | .end = $match.offset + $match.length) | .texts[] + $all[.end:]) // $all;",
    ),
    ("gsub", 2, "def gsub($re; s): sub($re; s; \"g\");"),
    ("gsub", 3, "def gsub($re; s; flags): sub($re; s; flags + \"g\");"),
    ("ascii", 0, "def ascii: [.] | implode;"),
    ("todate", 1, "def todate(format): strftime(format);"),
    (
        "tostream",
        0,
        "def tostream: path(def again: (.[]? | again), .; again) as $path | getpath($path) \
        | reduce path(.[]?) as $key ([$path, .]; [$path + $key]);",
    ),
    (
        "fromstream",
        1,
        "def fromstream(f): {value: null, ends: false} as $start | foreach f as $event ($start; \
        if .ends then $start else . end \
        | if ($event | length) == 2 \
        then .ends = ($event[0] | length == 0) | setpath([\"value\"] + $event[0]; $event[1]) \
        else .ends = ($event[0] | length == 1) end; \
        if .ends then .value else empty end);",
    ),
    (
        "truncate_stream",
        1,
        "def truncate_stream(f): . as $n | null | f | . as $event \
        | if (.[0] | length) > $n then setpath([0]; $event[0][$n:]) else empty end;",
    ),
    ("truncate_stream", 2, "def truncate_stream($n; f): $n | truncate_stream(f);"),
    ("INDEX", 1, "def INDEX(f): INDEX(.[]; f);"),
    ("INDEX", 2, "def INDEX(rows; f): reduce rows as $row ({}; .[$row | f | tostring] = $row);"),
    ("IN", 1, "def IN(f): any(f == .; .);"),
    ("IN", 2, "def IN(items; f): any(items == f; .);"),
    ("JOIN", 2, "def JOIN($index; f): [.[] | [., $index[f]]];"),
    ("JOIN", 3, "def JOIN($index; rows; f): rows | [., $index[f]];"),
    ("JOIN", 4, "def JOIN($index; rows; f; join): rows | [., $index[f]] | join;"),
    ("ltrimstr", 1, "def ltrimstr($start): if startswith($start) then .[$start | length:] end;"),
    ("rtrimstr", 1, "def rtrimstr($end): if endswith($end) then .[:length - ($end | length)] end;"),
    ("trimstr", 1, "def trimstr($part): ltrimstr($part) | rtrimstr($part);"),
    ("toarray", 0, "def toarray: if type == \"array\" then . else [.] end;"),
    ("abs", 0, "def abs: if . < 0 then -. else . end;"),
];

/// The definition with this name and number of parameters.
pub fn find(name: &str, arity: usize) -> Option<&'static str> {
    DEFINITIONS.iter().find(|(other, takes, _)| *other == name && *takes == arity).map(|(.., source)| *source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_definition_is_found_by_what_it_says() {
        for (name, arity, source) in DEFINITIONS {
            let head = source.strip_prefix("def ").unwrap().split(": ").next().unwrap();
            let parameters = head.split_once('(').map_or(0, |(_, rest)| rest.split(';').count());
            assert_eq!((head.split('(').next().unwrap(), parameters), (*name, *arity), "{source}");
            let arguments = if *arity == 0 { String::new() } else { format!("({})", vec!["."; *arity].join("; ")) };
            let call: &'static str = format!("{name}{arguments}").leak();
            assert!(crate::parse::parse(call).is_ok(), "{call}");
        }
    }
}
