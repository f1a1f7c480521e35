//! Guests written in WebAssembly text: a core module's body, wrapped into a component of the connector's world.

/// The types of `action`, and the shell that every connector needs around its core module.
const CONNECTOR: &str = r#"
(component
  (import "resly:connector/http@1.0.0" (instance $http
    (type $header' (record (field "name" string) (field "value" string)))
    (export "header" (type $header (eq $header')))
    (type $headers (list $header))
    (type $bytes (list u8))
    (type $body (option $bytes))
    (type $timeout (option u32))
    (type $request' (record (field "method" string) (field "url" string) (field "headers" $headers)
      (field "body" $body) (field "timeout-ms" $timeout)))
    (export "request" (type $request (eq $request')))
    (type $response' (record (field "status" u16) (field "headers" $headers) (field "body" $bytes)
      (field "truncated" bool)))
    (export "response" (type $response (eq $response')))
    (type $reason' (enum "denied" "needs-auth" "quota" "timeout" "too-large" "network" "invalid"))
    (export "reason" (type $reason (eq $reason')))
    (type $failure' (record (field "reason" $reason) (field "message" string) (field "retry-after-ms" $timeout)
      (field "sent" bool)))
    (export "failure" (type $failure (eq $failure')))
    (export "send" (func (param "request" $request) (result (result $response (error $failure)))))))
  (import "resly:connector/mapping@1.0.0" (instance $mapping
    (type $offset (option u32))
    (type $failure' (record (field "message" string) (field "offset" $offset)))
    (export "failure" (type $failure (eq $failure')))
    (export "apply" (func (param "filter" string) (param "input" string)
      (result (result string (error $failure)))))))
  (import "resly:connector/log@1.0.0" (instance $log
    (type $level' (enum "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $level')))
    (export "emit" (func (param "level" $level) (param "message" string)))))
  (import "resly:connector/state@1.0.0" (instance $state
    (type $refusal' (enum "too-large" "too-many"))
    (export "refusal" (type $refusal (eq $refusal')))
    (type $bytes (list u8))
    (type $found (option $bytes))
    (export "get" (func (param "key" string) (result $found)))
    (export "set" (func (param "key" string) (param "value" $bytes) (param "ttl-s" u32)
      (result (result (error $refusal)))))))
  @EXTRA
  (core module $Base
    (memory (export "memory") @PAGES)
    (global $top (export "top") (mut i32) (i32.const 32768))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
      (global.set $top (i32.add (local.get $at) (local.get 3)))
      (block $fits
        (br_if $fits (i32.le_u (global.get $top) (i32.shl (memory.size) (i32.const 16))))
        (br_if $fits (i32.ne (i32.const -1) (memory.grow
          (i32.add (i32.const 1) (i32.shr_u (local.get 3) (i32.const 16))))))
        unreachable)
      (local.get $at)))
  (core instance $base (instantiate $Base))
  (alias core export $base "memory" (core memory $memory))
  (alias core export $base "realloc" (core func $realloc))
  (core func $send (canon lower (func $http "send") (memory $memory) (realloc $realloc)))
  (core func $map (canon lower (func $mapping "apply") (memory $memory) (realloc $realloc)))
  (core func $emit (canon lower (func $log "emit") (memory $memory) (realloc $realloc)))
  (core func $get (canon lower (func $state "get") (memory $memory) (realloc $realloc)))
  (core func $set (canon lower (func $state "set") (memory $memory) (realloc $realloc)))
  (core module $Main
    (import "base" "memory" (memory 0))
    (import "base" "top" (global $top (mut i32)))
    (import "host" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "host" "map" (func $map (param i32 i32 i32 i32 i32)))
    (import "host" "emit" (func $emit (param i32 i32 i32)))
    (import "host" "get" (func $get (param i32 i32 i32)))
    (import "host" "set" (func $set (param i32 i32 i32 i32 i32 i32)))
    @IMPORTS
    ;; What is returned: a text, or a fault of a kind with a message. The area is at 0, texts of the shell at 64.
    (data (i32.const 64) "{\"ok\":true}GEThttps://example.com/failedmapkey")
    (func $ok (param i32 i32) (result i32)
      (i32.store8 (i32.const 0) (i32.const 0))
      (i32.store (i32.const 4) (local.get 0))
      (i32.store (i32.const 8) (local.get 1))
      (i32.const 0))
    (func $fail (param $kind i32) (param i32 i32) (result i32)
      (i32.store8 (i32.const 0) (i32.const 1))
      (i32.store8 (i32.const 4) (local.get $kind))
      (i32.store (i32.const 8) (local.get 1))
      (i32.store (i32.const 12) (local.get 2))
      (i32.store8 (i32.const 16) (i32.const 1))
      (i32.const 0))
    (func $fine (result i32) (call $ok (i32.const 64) (i32.const 11)))
    ;; GET https://example.com/ without headers and body; the result is at 512.
    (func $fetch
      (call $send (i32.const 75) (i32.const 3) (i32.const 78) (i32.const 20) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512)))
    @BODY)
  (core instance $main (instantiate $Main
    (with "base" (instance $base))
    (with "host" (instance
      (export "send" (func $send)) (export "map" (func $map)) (export "emit" (func $emit))
      (export "get" (func $get)) (export "set" (func $set))))
    @WITH))
  (type $fault-kind (enum "invalid-input" "not-found" "upstream" "needs-auth" "rate-limited" "internal"))
  (type $fault (record (field "kind" $fault-kind) (field "message" string) (field "retryable" bool)))
  (type $call (record (field "action" string) (field "input" string) (field "settings" string)
    (field "context" string)))
  (func $invoke (param "call" $call) (result (result string (error $fault)))
    (canon lift (core func $main "invoke") (memory $memory) (realloc $realloc)))
  (component $Shim
    (type $kind' (enum "invalid-input" "not-found" "upstream" "needs-auth" "rate-limited" "internal"))
    (import "import-type-fault-kind" (type $kind (eq $kind')))
    (type $fault' (record (field "kind" $kind) (field "message" string) (field "retryable" bool)))
    (import "import-type-fault" (type $fault (eq $fault')))
    (type $call' (record (field "action" string) (field "input" string) (field "settings" string)
      (field "context" string)))
    (import "import-type-call" (type $call (eq $call')))
    (import "import-func-invoke" (func $invoke (param "call" $call) (result (result string (error $fault)))))
    (export $kind-out "fault-kind" (type $kind'))
    (type $fault-out' (record (field "kind" $kind-out) (field "message" string) (field "retryable" bool)))
    (export $fault-out "fault" (type $fault-out'))
    (export $call-out "call" (type $call'))
    (export "invoke" (func $invoke) (func (param "call" $call-out) (result (result string (error $fault-out))))))
  (instance $action (instantiate $Shim
    (with "import-type-fault-kind" (type $fault-kind))
    (with "import-type-fault" (type $fault))
    (with "import-type-call" (type $call))
    (with "import-func-invoke" (func $invoke))))
  (export "resly:connector/action@1.0.0" (instance $action)))
"#;

/// The mapper's world. What a filter does is said by its first letter: `i` gives the input back, `l` loops, `t` traps,
/// `f` fails, anything else gives `null`.
pub const MAPPER: &str = r#"
(component
  (core module $Main
    (memory (export "memory") 2)
    (data (i32.const 64) "nullno such field")
    (global $top (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (global.get $top))
      (global.set $top (i32.add (local.get $at) (local.get 3)))
      (local.get $at))
    (func $ok (param i32 i32) (result i32)
      (i32.store8 (i32.const 0) (i32.const 0))
      (i32.store (i32.const 4) (local.get 0))
      (i32.store (i32.const 8) (local.get 1))
      (i32.const 0))
    (func (export "apply") (param i32 i32 i32 i32) (result i32)
      (local $what i32)
      (local.set $what (i32.load8_u (local.get 0)))
      (if (i32.eq (local.get $what) (i32.const 108)) (then (loop $again (br $again))))
      (if (i32.eq (local.get $what) (i32.const 116)) (then unreachable))
      (if (i32.eq (local.get $what) (i32.const 105)) (then (return (call $ok (local.get 2) (local.get 3)))))
      (if (i32.eq (local.get $what) (i32.const 102)) (then
        (i32.store8 (i32.const 0) (i32.const 1))
        (i32.store (i32.const 4) (i32.const 68))
        (i32.store (i32.const 8) (i32.const 13))
        (i32.store8 (i32.const 12) (i32.const 1))
        (i32.store (i32.const 16) (i32.const 7))
        (return (i32.const 0))))
      (call $ok (i32.const 64) (i32.const 4))))
  (core instance $main (instantiate $Main))
  (type $offset (option u32))
  (type $failure (record (field "message" string) (field "offset" $offset)))
  (func $apply (param "filter" string) (param "input" string) (result (result string (error $failure)))
    (canon lift (core func $main "apply") (memory (core memory $main "memory")) (realloc (core func $main "realloc"))))
  (component $Shim
    (type $offset (option u32))
    (type $failure' (record (field "message" string) (field "offset" $offset)))
    (import "import-type-failure" (type $failure (eq $failure')))
    (import "import-func-apply" (func $apply (param "filter" string) (param "input" string)
      (result (result string (error $failure)))))
    (export $failure-out "failure" (type $failure'))
    (export "apply" (func $apply) (func (param "filter" string) (param "input" string)
      (result (result string (error $failure-out))))))
  (instance $mapping (instantiate $Shim
    (with "import-type-failure" (type $failure))
    (with "import-func-apply" (func $apply))))
  (export "resly:connector/mapping@1.0.0" (instance $mapping)))
"#;

/// A guest in the making.
pub struct Guest {
    body: String,
    pages: String,
    extra: String,
    imports: String,
    with: String,
}

/// A guest whose `invoke` is this code: `(param $action.. 8 × i32) (result i32)`.
pub fn invoke(code: &str) -> Guest {
    module(&format!(r#"(func (export "invoke") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32) {code})"#))
}

/// A guest whose core module is this.
pub fn module(body: &str) -> Guest {
    Guest {
        body: body.to_owned(),
        pages: "2".to_owned(),
        extra: String::new(),
        imports: String::new(),
        with: String::new(),
    }
}

impl Guest {
    pub fn pages(mut self, pages: &str) -> Self {
        self.pages = pages.to_owned();
        self
    }

    /// More imports: the component's, the core module's, and how they meet.
    pub fn imports(mut self, extra: &str, imports: &str, with: &str) -> Self {
        (self.extra, self.imports, self.with) = (extra.to_owned(), imports.to_owned(), with.to_owned());
        self
    }

    pub fn wat(&self) -> String {
        CONNECTOR
            .replace("@BODY", &self.body)
            .replace("@PAGES", &self.pages)
            .replace("@EXTRA", &self.extra)
            .replace("@IMPORTS", &self.imports)
            .replace("@WITH", &self.with)
    }

    pub fn bytes(&self) -> Vec<u8> {
        parse(&self.wat())
    }
}

/// The binary of a text, or a panic that shows where the text is wrong.
pub fn parse(wat: &str) -> Vec<u8> {
    wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}"))
}
