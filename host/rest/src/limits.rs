//! What one request may ask for.

/// Rows of an answer. A request without a limit, or with a larger one, gets this many.
pub const ROWS: u64 = 1000;
/// Rows of an answer together with those embedded in them.
pub const ALL_ROWS: usize = 10_000;
/// Bytes of an answer.
pub const BYTES: usize = 16 << 20;
/// How deep relations may be embedded in each other.
pub const EMBED_DEPTH: usize = 3;
/// Relations that a request may embed.
pub const EMBEDS: usize = 8;
/// Columns, aggregates and relations of one `select`, those of embedded relations included.
pub const SELECT_ITEMS: usize = 200;
/// How deep `and`, `or` and `not` may be nested.
pub const LOGIC_DEPTH: usize = 10;
/// Conditions of a request.
pub const CONDITIONS: usize = 200;
/// Values of one list.
pub const LIST: usize = 1000;
/// Terms of one `order`.
pub const ORDER_TERMS: usize = 16;
/// Steps of a JSON path.
pub const PATH_STEPS: usize = 16;
/// Bytes of a pattern of `like`, of a regular expression, or of a text search.
pub const PATTERN: usize = 1000;
/// Wildcards (`%` or `*`) of one pattern of `like`.
pub const WILDCARDS: usize = 10;
/// Words of a text search.
pub const SEARCH_WORDS: usize = 32;
/// Rows of a table that a condition is compared with outside the database: see `resly_store`.
pub const SCANNED: usize = 50_000;
/// Bytes of what is compared there, and of one text. Comparing a longer text could take longer than a request may.
pub const SCANNED_BYTES: usize = 32 << 20;
pub const SCANNED_TEXT: usize = 1 << 20;
/// Bytes of the patterns of one table's `like` and `ilike` that SQLite itself compares, which can't be ended meanwhile.
pub const LIKE_IN_SQLITE: usize = 64;
/// Rows that one request may write.
pub const WRITTEN: usize = 1000;
/// Bytes of the rows that an update or a delete writes, as they are and as they become. SQLite has one writer for all.
pub const WRITTEN_BYTES: u64 = 16 << 20;
/// Bytes of a body.
pub const BODY: usize = 4 << 20;
/// How long the database may work for one request.
pub const TIME: std::time::Duration = std::time::Duration::from_secs(8);
