//! The table of all problems. Responses, `/docs/problems` and the handbook are made from its rows.

use http::StatusCode;

/// A kind of problem. Its `type` is `/docs/problems/<slug>`, which never changes after a release.
#[derive(Debug)]
pub struct Kind {
    pub slug: &'static str,
    pub status: StatusCode,
    pub title: &'static str,
    /// What it means and what to do next, as Markdown.
    pub explanation: &'static str,
}

macro_rules! kinds {
    ($($name:ident = $slug:literal, $status:ident, $title:literal, $explanation:literal;)+) => {
        $(
            #[doc = $title]
            pub static $name: Kind = Kind { slug: $slug, status: StatusCode::$status, title: $title, explanation: $explanation };
        )+
        /// All of them, in the order of this file.
        pub static ALL: &[&Kind] = &[$(&$name),+];
    };
}

kinds! {
    INVALID_JSON = "invalid-json", BAD_REQUEST, "The body is not JSON",
        "The body could not be read as JSON in UTF-8. `detail` tells where reading stopped. Check quoting and encoding, then send it again.";
    INVALID_HEADER = "invalid-header", BAD_REQUEST, "A header field is not valid",
        "A header field has a value that can't be used. `detail` names it and says what is allowed.";
    INVALID_PARAMETER = "invalid-parameter", BAD_REQUEST, "A query parameter is not valid",
        "A query parameter has a value that can't be used, is there twice, or is unknown. `errors` lists every mistake, each with the parameter's name as its `path`; `parameter` and `allowed` tell the first one. A route under `/api/admin` refuses a parameter that it doesn't know, because a filter that was misspelt would show everything.";
    UNAUTHENTICATED = "unauthenticated", UNAUTHORIZED, "A valid API key is needed",
        "Send `Authorization: Bearer <key>` with a key of your organization. `detail` tells whether the key is missing, mistyped, or not (or no longer) known. An admin makes keys at `/api/admin/keys`; a deleted or expired key can't be brought back.";
    INSUFFICIENT_SCOPE = "insufficient-scope", FORBIDDEN, "The key's scopes don't allow this",
        "The key is valid but wasn't given the scope that this route asks for. Use a key that has it, or have an admin make one.";
    ORIGIN_NOT_ALLOWED = "origin-not-allowed", FORBIDDEN, "The key can't be used from this origin",
        "A publishable key (`rpk_…`) works only in a browser, on the origins it was made for. Add the page's origin to the key, or call from a server with a secret key.";
    SYSTEM_NOT_ALLOWED = "system-not-allowed", FORBIDDEN, "This key can't send system messages",
        "Instructions (`role: system`) are accepted with a secret key only, since anyone can read a publishable key off a page. Send them from a server.";
    SUBSCRIPTION_ENDED = "subscription-ended", FORBIDDEN, "The organization's subscription has ended",
        "A trial ended, a payment stayed out, or the subscription was ended. No chat and no search is answered until it is renewed; data is kept, and an admin can read it. `GET /api/admin/plan` tells the state and its dates.";
    PLAN_LACKS_FEATURE = "plan-lacks-feature", FORBIDDEN, "The organization's plan doesn't have this feature",
        "The key may do this, but the plan leaves it out. `feature` names what is missing, and `plans` the plans that have it. Ask the operator of this host for one of them; what there is already can still be read and taken away.";
    INVALID_SIGNATURE = "invalid-signature", BAD_REQUEST, "The event's signature isn't right",
        "`POST /api/operator/billing/events` takes what the operator's biller signed: `Stripe-Signature: t=…,v1=…` over the body as it arrives, by the secret in `RESLY_BILLING_WEBHOOK_SECRET`, at most 300 seconds ago. `detail` tells what isn't right. Nothing was changed; the biller sends the event again.";
    MALFORMED_REQUEST = "malformed-request", BAD_REQUEST, "The request is not well-formed",
        "The request line, the path's encoding, a header field or the body's framing breaks the rules of HTTP (RFC 9110, RFC 9112). `detail` tells which. The connection is closed where it can't be told where the next request begins. Look at the client, or at a proxy in between.";
    URI_TOO_LONG = "uri-too-long", URI_TOO_LONG, "The request's path and query are too long",
        "Send long values in a body instead.";
    HEADERS_TOO_LARGE = "headers-too-large", REQUEST_HEADER_FIELDS_TOO_LARGE, "The request's header fields are too large",
        "Send fewer or shorter header fields; cookies of other sites under the same name are a usual reason.";
    NOT_FOUND = "not-found", NOT_FOUND, "There is no such thing",
        "The path or the id is unknown, or belongs to another organization: the two look the same.";
    METHOD_NOT_ALLOWED = "method-not-allowed", METHOD_NOT_ALLOWED, "This path doesn't take that method",
        "The `Allow` header lists the methods of this path.";
    BODY_TIMEOUT = "body-timeout", REQUEST_TIMEOUT, "The body took too long to arrive",
        "The connection is closed. Send the whole body without pauses; nothing was counted.";
    CONFLICT = "conflict", CONFLICT, "It is already there, and different",
        "Something with the same id exists with other content. Raise the version, or delete what is there.";
    CHANGED_MEANWHILE = "changed-meanwhile", CONFLICT, "It has been changed meanwhile",
        "Somebody else changed it after it was looked at, so the change could undo theirs. Nothing was done: read it again, then send the change anew.";
    CONVERSATION_TAKEN = "conversation-taken", CONFLICT, "Another agent has the conversation",
        "Somebody else took the conversation over, so nothing was done. To take it from them, send their id as `from`: `detail` names it.";
    CONVERSATION_NOT_TAKEN = "conversation-not-taken", CONFLICT, "No agent has the conversation",
        "The assistant answers in this conversation, or nobody does yet, so an agent can't. Take it over with `POST /api/admin/conversations/{id}/assign`, then reply. Only a conversation that was handed over can be given back.";
    CONVERSATION_MERGED = "conversation-merged", CONFLICT, "The conversation was merged into another one",
        "It goes on there: `merged_into` of `GET /api/admin/conversations/{id}` names it. Do it there. Of two conversations that are merged, neither may have been merged before.";
    CONNECTION_UNTESTED = "connection-untested", CONFLICT, "The connection hasn't passed a test in production",
        "A connection is offered to chats in `production` only after a test there has passed, with the hosts that it has now. Run `POST /api/admin/connections/{id}/test`, mend what it tells, then enable it.";
    REQUEST_IN_FLIGHT = "request-in-flight", CONFLICT, "The same request is still being answered",
        "A request with this `Idempotency-Key` is in progress. Try again after `Retry-After`: the finished answer will be replayed, and counts once. If the host that wrote it has died, the question is answered anew some seconds later, and counts once, too.";
    ANSWER_ELSEWHERE = "answer-elsewhere", CONFLICT, "Another host writes the answer",
        "Several hosts share the database, and this one doesn't know how to reach the host that writes the answer. `detail` names the message: read it with `GET /api/messages/{id}` until its `status` is no longer `streaming`. `DELETE /api/chat/{id}/stream` works on any host. An operator can give each host an address for the others with `RESLY_INTERNAL_URL`.";
    BODY_TOO_LARGE = "body-too-large", PAYLOAD_TOO_LARGE, "The body is too large",
        "`detail` tells the cap. Send fewer or shorter messages: what is stored already needn't be sent again, `conversationId` is enough.";
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "The body's content type isn't accepted here",
        "Set `Content-Type` to what `detail` names; for most routes that is `application/json`.";
    INVALID_REQUEST = "invalid-request", UNPROCESSABLE_ENTITY, "The request doesn't say what it should",
        "The JSON is well-formed, but something in it is missing, of the wrong type or out of range. `errors` lists every mistake with its path, such as `settings.shop` or `messages[0].role`; `$` is the whole body.";
    INVALID_CONNECTOR = "invalid-connector", UNPROCESSABLE_ENTITY, "The connector's definition has mistakes",
        "`errors` lists every mistake with its path (a JSON Pointer), an empty one for the whole file. Mend them and send it again, under the same version if you like.";
    IMPORT_FAILED = "import-failed", UNPROCESSABLE_ENTITY, "The OpenAPI document can't be imported like this",
        "`errors` tells of each chosen operation (`/operations/0`) or of the document why. Choose other operations, name a `server`, or mend the document; without `operations`, the answer lists which are supported.";
    MAPPING_FAILED = "mapping-failed", UNPROCESSABLE_ENTITY, "The jq filter failed",
        "`detail` is what jq says. With an `offset` (in bytes), the filter can't be read there; without one, it doesn't fit this input. Change the filter and preview it again; nothing was stored.";
    KEY_REUSED = "idempotency-key-reused", UNPROCESSABLE_ENTITY, "The idempotency key belongs to another request",
        "This `Idempotency-Key` was used with a different body. Use a new key for a new request.";
    LIMIT_REACHED = "limit-reached", TOO_MANY_REQUESTS, "A limit is reached",
        "`limit` names the meter, its cap, the time `per` which it counts, when it starts again, and in `of` whose it is: the `plan`'s, the `key`'s own `message_cap`, or a `visitor`'s, by the key's `visitor_message_cap`. Nothing was counted for this request. A limit on a model's tokens is compared before an answer begins, and answers that are running are finished, so `used` may be more than `limit`. A limit per `minute` passes: wait for `Retry-After` and try again. Of the others `retryable` is false: it is hours or days until they start again, so show it to a person in place of trying again. Have the plan's limit raised, or an admin raise the key's cap with `PATCH /api/admin/keys/{id}`.";
    LIMIT_SET_ASIDE = "limit-set-aside", SERVICE_UNAVAILABLE, "The rest of a limit is set aside for calls that are running",
        "While a connector call runs, fuel is set aside for it, as much as such calls usually burn, and what it doesn't burn comes back when it ends. For now all that the limit leaves is set aside; `limit` tells what is `used` and what is `reserved`. Nothing is used up: try again after `Retry-After`, make fewer calls at once, or raise the plan.";
    RATE_LIMITED = "rate-limited", TOO_MANY_REQUESTS, "Too many requests within a minute",
        "The key, the visitor or the client's address has sent as many requests as it may within a minute; `rate.subject` tells which. Nothing was counted toward the plan. Wait for `Retry-After`; an admin can change `rate_limits` with `PATCH /api/admin/keys/{id}`.";
    TOO_MANY_STREAMS = "too-many-streams", TOO_MANY_REQUESTS, "Too many answers at once",
        "The key, the visitor or the client's address has as many answers in progress as it may; `rate.subject` tells which. An answer is in progress until it is written, even when its client has left. Nothing was counted. Let one of them end, or cancel it, then try again; an admin can change `rate_limits` with `PATCH /api/admin/keys/{id}`.";
    KEY_EXPIRED = "key-expired", CONFLICT, "The key has expired",
        "An expired key can't be rotated or changed, since that would bring it back. Make a new one with `POST /api/admin/keys`.";
    LAST_ADMIN_KEY = "last-admin-key", CONFLICT, "It is the last key that may administer the organization",
        "Without a key that has the scope `admin` and doesn't expire, nobody could get back in. Make another one first. Who has lost it gets one on the host itself, with `resly key create --organization NAME`.";
    LAST_OWNER = "last-owner", CONFLICT, "It is the organization's last owner",
        "Without an owner, nobody could change the plan or make other owners. Make another member an owner first. Who has lost access gets in by a link that `resly members link --organization NAME` makes on the host itself.";
    INTERNAL = "internal", INTERNAL_SERVER_ERROR, "Something went wrong on our side",
        "The host's log has the cause, under the id in `instance`. Trying again may help; nothing was counted.";
    MODEL_UNREACHABLE = "model-unreachable", BAD_GATEWAY, "The language model could not be reached",
        "The model's service was out of reach. Nothing was counted if this came before the first byte; try again shortly.";
    MODEL_BUSY = "model-busy", BAD_GATEWAY, "The language model is over its own limits",
        "The model's service asked to be called less. Nothing was counted if this came before the first byte; try again after `Retry-After`.";
    MODEL_UNAVAILABLE = "model-unavailable", BAD_GATEWAY, "The language model's service failed for a moment",
        "The model's service answered with an error of its own, which passes. Nothing was counted if this came before the first byte; try again after `Retry-After`.";
    MODEL_REFUSED = "model-refused", BAD_GATEWAY, "The language model refused the request",
        "The model's service didn't accept what the host sent it. An operator finds the reason in the host's log; the usual ones are a wrong key or model name.";
    MODEL_STALLED = "model-stalled", GATEWAY_TIMEOUT, "The language model stopped sending",
        "The model's service accepted the question and then sent nothing. Nothing was counted if this came before the first byte; try again.";
    MODEL_BROKEN = "model-broken", BAD_GATEWAY, "The language model's answer broke off",
        "The model's stream reported an error or ended without saying that it had finished. Nothing was counted if this came before the first byte; try again.";
    TOOL_LOOP = "tool-loop", BAD_GATEWAY, "The language model kept calling tools",
        "The model asked for tools again and again without answering. Ask more narrowly, or have an admin look at the connectors' logs.";
    TURN_DEADLINE = "turn-deadline", GATEWAY_TIMEOUT, "The answer took longer than this host allows",
        "Ask for less at once, or have an admin look at what is slow in the connectors' logs.";
    EMBEDDER_UNAVAILABLE = "embedder-unavailable", BAD_GATEWAY, "The embedding service could not answer",
        "Text could not be turned into vectors. Nothing was stored or counted. `detail` says whether to try again. Where the vectors have another length than before, another model answers under the old one's name, and trying again doesn't help: an operator brings the old one back, or gives the new one a name of its own in `RESLY_EMBEDDER` and starts the host again. Then send the text again.";
    HOST_STOPPING = "host-stopping", SERVICE_UNAVAILABLE, "The host is stopping",
        "The host was told to stop while it wrote the answer. What was written is kept and can be read at `/api/messages/{id}`. Ask again: another host, or this one once it runs again, answers.";
    ANSWER_INTERRUPTED = "answer-interrupted", SERVICE_UNAVAILABLE, "The host that wrote the answer has ended",
        "The answer was followed on another host than the one that wrote it, and that one has ended without finishing it. The message has the status `interrupted`; what was stored of it can be read at `/api/messages/{id}`. Ask again.";
    TOO_MANY_CONNECTIONS = "too-many-connections", SERVICE_UNAVAILABLE, "Too many connections are open",
        "The host, or one client address, has as many connections open as it may. `detail` tells which. Try again after `Retry-After`, and use connections for several requests. Operators find the limits in the handbook's page on operating; a proxy that many clients share has to be in `RESLY_TRUSTED_PROXIES`.";
    STORE_UNAVAILABLE = "store-unavailable", SERVICE_UNAVAILABLE, "The database can't be reached",
        "The host is up but its database isn't. Nothing was accepted or counted; try again after `Retry-After`.";
    OBJECT_STORE_UNAVAILABLE = "object-store-unavailable", SERVICE_UNAVAILABLE, "The object store can't be used",
        "The operator keeps uploaded components in an object store (`RESLY_COMPONENT_STORE`), which doesn't answer or refuses access. Nothing was stored; send the upload again after `Retry-After`. What is compiled already goes on running. The operator's log and `/readyz` tell more.";
    HOST_BUSY = "host-busy", SERVICE_UNAVAILABLE, "The host has as many large requests as it can take",
        "The memory for request bodies, or the queue of this organization for reading them, is full. Nothing was done or counted; send it again after `Retry-After`, and fewer at once.";
    OVERLOADED = "overloaded", SERVICE_UNAVAILABLE, "More questions come than this host can accept",
        "The host accepts a bounded number of questions at once, and refuses those that would wait too long. Nothing was done or counted; send it again after `Retry-After`. If it comes often, the host needs more processors, or the installation more hosts.";
    DISK_FULL = "disk-full", SERVICE_UNAVAILABLE, "The disk is full",
        "The database is up and what is in it can be read, but its disk has no room left. Nothing was accepted or counted. An operator has to make room: the host goes on by itself then.";
    READ_ONLY = "read-only", SERVICE_UNAVAILABLE, "The host answers reads only",
        "An operator has set `RESLY_READ_ONLY=1`, as while an installation moves to another store: what is stored can be read, and nothing may change. Chats and searches are counted, so they are refused, too. Nothing was accepted or counted; send it again after `Retry-After`.";
    STILL_COMPILING = "still-compiling", SERVICE_UNAVAILABLE, "The bundled connectors are still being compiled",
        "The host has just started, and compiles the connectors that it brings once for each version. Chats are answered meanwhile; the first call of a connector would wait. Send it traffic when `/readyz` answers 200.";
    SCHEMA_BEHIND = "schema-behind", SERVICE_UNAVAILABLE, "The database's tables are older than this host",
        "The database that the host runs on was replaced by one of an older version, as by a backup that was restored under it. Start the host again: it brings the tables up to date.";
    METRICS_CLOSED = "metrics-closed", UNAUTHORIZED, "The metrics are not open to everybody",
        "Set `RESLY_METRICS_TOKEN` on the host, and have Prometheus send it (`authorization: credentials_file:` of a scrape configuration). Without it, and outside production, the metrics can be read on the host's own machine.";
    CONNECTOR_NOT_READY = "connector-not-ready", CONFLICT, "This version of the connector can't be installed",
        "The version is being compiled, or its component was refused; `detail` tells which, and why. Wait until `GET /api/admin/connectors/{id}?version=…` says `ready`, or upload a mended version.";
    CONNECTOR_UNAPPROVED = "connector-unapproved", CONFLICT, "An admin hasn't approved what this version asks for",
        "An uploaded connector runs only after an admin has approved its manifest: hosts, credentials, writes, limits. Look at `GET /api/admin/connectors/{id}?version=…`, whose `changes` tell what is new, then `POST /api/admin/connectors/{id}/versions/{version}/approve`.";
    CONNECTOR_IN_USE = "connector-in-use", CONFLICT, "Connections use this version of the connector",
        "`connections` lists them. Move each to another version with `PATCH /api/admin/connections/{id}`, or delete it; then try again.";
    UNTRUSTED_PUBLISHER = "untrusted-publisher", FORBIDDEN, "No trusted publisher has signed this connector",
        "The organization takes only uploads that are signed by a publisher it trusts. Add the publisher's public key with `POST /api/admin/publishers`, or have the file signed with `resly connector sign`.";
    TOO_MANY_VERSIONS = "too-many-versions", CONFLICT, "The organization keeps as many versions of connectors as it may",
        "Nothing was stored. Delete versions that no connection uses with `DELETE /api/admin/connectors/{id}/versions/{version}`; `GET /api/admin/connectors/{id}` lists them. Then send it again.";
    COMPILE_QUEUE_FULL = "compile-queue-full", SERVICE_UNAVAILABLE, "Too many components are being compiled",
        "As many of this organization's uploads as may are being compiled or wait for it. Nothing was stored; try again after `Retry-After`.";
    READ_QUEUE_FULL = "read-queue-full", SERVICE_UNAVAILABLE, "Too many sources wait to be read",
        "As many files and pages of this organization as may, or as many bytes of files, wait to be read. Nothing was stored; try again after `Retry-After`. `GET /api/admin/sources` tells which sources are `queued`.";
    TOO_MANY_CRAWLS = "too-many-crawls", CONFLICT, "The organization has as many crawls as it may",
        "Nothing was stored. Delete a crawl with `DELETE /api/admin/crawls/{id}`, which deletes its pages too; `GET /api/admin/crawls` lists them. One crawl reads a whole site.";
    CONNECTOR_INVALID_INPUT = "connector-invalid-input", UNPROCESSABLE_ENTITY, "The action's input is not valid",
        "The input doesn't satisfy the action's schema, or the connector refused it. `detail` tells what to change.";
    CONNECTOR_NO_FIXTURE = "connector-no-fixture", UNPROCESSABLE_ENTITY, "The sandbox has no answer for this request",
        "A connection in the `sandbox` environment is answered from the fixtures of the connector's manifest, and none fits the request that `detail` names. Add one, call with an input that it has one for, or use the `production` environment.";
    CONNECTOR_NOT_FOUND = "connector-not-found", NOT_FOUND, "The service has no such record",
        "The connector asked the service, which has nothing under what was given.";
    CONNECTOR_NEEDS_AUTH = "connector-needs-auth", FAILED_DEPENDENCY, "The connection's credential is missing or refused",
        "`detail` tells which. Set the connection's `credentials` again with `PATCH /api/admin/connections/{id}`; where it uses OAuth, authorize it: `POST /api/admin/connections/{id}/oauth/start`, and open the link that comes back. A visitor's own account is connected at `…/visitors/{visitor}`. Then test it.";
    CONNECTOR_RATE_LIMITED = "connector-rate-limited", SERVICE_UNAVAILABLE, "The service asked us to slow down",
        "The service behind the connector limits how often it is called. Try again later.";
    CONNECTOR_UPSTREAM = "connector-upstream", BAD_GATEWAY, "The service behind the connector failed",
        "The service answered with an error, with something unexpected, or not at all. `detail` tells which.";
    CONNECTOR_DENIED = "connector-denied", FORBIDDEN, "Policy doesn't allow this call",
        "The connection's settings, its state, the key, or what the connector may reach don't allow the action. `detail` tells which.";
    CONNECTOR_BUSY = "connector-busy", SERVICE_UNAVAILABLE, "The connector can't run at the moment",
        "Too many connector calls are waiting, the connector is still being compiled, or its code can't be read for a moment; `detail` tells which. Nothing ran; try again after `Retry-After`.";
    CONNECTOR_DEADLINE = "connector-deadline", GATEWAY_TIMEOUT, "The connector ran out of time",
        "The call was stopped at its deadline. The service may have seen the request.";
    CONNECTOR_LIMIT = "connector-limit", BAD_GATEWAY, "The connector used more than it may",
        "The call was stopped at its bound on fuel, memory, calls or size, which `fault.kind` names. Ask for less at once, or have the connector's author look at it.";
    CONNECTOR_FAILED = "connector-failed", BAD_GATEWAY, "The connector failed",
        "The connector's own code broke, gave something its schema doesn't allow, or can't be loaded. The log at `/api/admin/logs` has the details for its author.";
}
