//! Embedded relations.

use resly_rest::media::Media;

use super::data::{OTHER, OWN, expect, filled, rows};
use crate::{backend::Backend, both};

both! {
    async fn relations_are_embedded(backend: Backend) {
        let store = filled(&backend).await;
        expect(&store, &[
            ("tickets?select=subject,conversations(name,visitors(external_id))&order=id&limit=2",
             r#"[{"subject":"Apple","conversations":{"name":"first","visitors":{"external_id":"anna"}}},{"subject":"apple","conversations":null}]"#),
            ("conversations?select=name,messages(position,role)&order=id&messages.order=position.desc",
             r#"[{"name":"first","messages":[{"position":1,"role":"assistant"},{"position":0,"role":"user"}]},{"name":null,"messages":[{"position":0,"role":"user"}]},{"name":null,"messages":[]}]"#),
            ("visitors?select=external_id,conversations(messages(content),tickets(subject))&order=external_id&conversations.messages.position=eq.0",
             r#"[{"external_id":"Bob","conversations":[{"messages":[{"content":"Refunding\nmy bücher"}],"tickets":[{"subject":"Ärger, \"groß\""}]}]},{"external_id":"anna","conversations":[{"messages":[{"content":"Where is my order?"}],"tickets":[{"subject":"Apple"}]}]}]"#),
            // Aliases, hints, spread.
            ("conversations?select=name,who:visitors!conversations_visitor_id_fkey(external_id),...visitors(seen:last_seen_at::date)&order=id.desc&limit=2",
             r#"[{"name":null,"who":null,"seen":null},{"name":null,"who":{"external_id":"Bob"},"seen":"2026-10-02"}]"#),
            ("messages?select=position,...conversations(name,...visitors(external_id))&order=id&limit=1",
             r#"[{"position":0,"name":"first","external_id":"anna"}]"#),
            ("workflows?select=name,connection_id(name)&order=name", r#"[{"name":"Look up","connection_id":{"name":"CRM"}},{"name":"Off","connection_id":null}]"#),
        ]).await;
    }

    async fn what_is_embedded_can_be_a_condition(backend: Backend) {
        let store = filled(&backend).await;
        let (c1, c2, c3) = ("{\"id\":\"00000000-0000-0000-0000-0000000000c1\"", "{\"id\":\"00000000-0000-0000-0000-0000000000c2\"", "{\"id\":\"00000000-0000-0000-0000-0000000000c3\"");
        expect(&store, &[
            ("conversations?select=id,messages!inner(role)&messages.role=eq.assistant&order=id", &format!("[{c1},\"messages\":[{{\"role\":\"assistant\"}}]}}]")),
            ("conversations?select=id,messages(role)&messages.role=eq.assistant&order=id",
             &format!("[{c1},\"messages\":[{{\"role\":\"assistant\"}}]}},{c2},\"messages\":[]}},{c3},\"messages\":[]}}]")),
            ("conversations?select=id,messages()&messages=is.null", &format!("[{c3}}}]")),
            ("conversations?select=id,messages()&messages=not.is.null&order=id", &format!("[{c1}}},{c2}}}]")),
            ("conversations?select=id,visitors()&or=(visitors.is.null,name.eq.first)&order=id", &format!("[{c1}}},{c3}}}]")),
            ("conversations?select=id,messages!inner()&messages.content=match.^Re", &format!("[{c2}}}]")),
            ("conversations?select=id,visitors!inner()&visitors.external_id=ilike.ANNA", &format!("[{c1}}}]")),
            ("visitors?select=external_id,conversations!inner(messages!inner())&conversations.messages.input_tokens=gt.10", r#"[{"external_id":"Bob","conversations":[{}]}]"#),
        ]).await;
    }

    async fn what_is_embedded_is_ordered_limited_and_counted(backend: Backend) {
        let store = filled(&backend).await;
        expect(&store, &[
            ("conversations?select=messages(position)&order=id&messages.order=position.desc&messages.limit=1",
             r#"[{"messages":[{"position":1}]},{"messages":[{"position":0}]},{"messages":[]}]"#),
            ("conversations?select=messages(position)&order=id&messages.order=position&messages.offset=1",
             r#"[{"messages":[{"position":1}]},{"messages":[]},{"messages":[]}]"#),
            ("conversations?select=messages(count)&order=id", r#"[{"messages":[{"count":2}]},{"messages":[{"count":1}]},{"messages":[{"count":0}]}]"#),
            ("conversations?select=messages(role,n:count(),input_tokens.sum())&order=id&messages.order=role.desc&limit=1",
             r#"[{"messages":[{"role":"user","n":1,"sum":null},{"role":"assistant","n":1,"sum":7}]}]"#),
            ("conversations?select=visitors(external_id)&order=visitors(external_id).desc.nullslast",
             r#"[{"visitors":{"external_id":"anna"}},{"visitors":{"external_id":"Bob"}},{"visitors":null}]"#),
            ("conversations?select=id&order=visitors(external_id)", "PGRST108 'visitors' is not an embedded resource in this request"),
        ]).await;
    }

    async fn an_embedded_relation_shows_nothing_of_another_organization(backend: Backend) {
        let store = filled(&backend).await;
        // The other one's ticket refers to the first one's conversation.
        for (organization, request) in [
            (OWN, "conversations?select=*,tickets(*),messages(*),connector_logs(*)"),
            (OWN, "conversations?select=id,tickets!inner(*)&tickets.body=eq.secret"),
            (OWN, "conversations?select=id,tickets(count)&id=eq.00000000-0000-0000-0000-0000000000c1"),
            (OTHER, "tickets?select=id,conversations(*,messages(*),visitors(*))"),
            (OTHER, "tickets?select=id,conversations!inner(*)&conversations.name=eq.first"),
            (OTHER, "tickets?select=id,...conversations(name)&order=conversations(name)"),
            (OTHER, "visitors?select=*,conversations(*,messages(*))"),
            (OTHER, "connections?select=*,workflows(*),connector_logs(*)"),
        ] {
            let found = rows(&store, organization, request).await.unwrap();
            let text = found.body(Media::Array);
            let strange = if organization == OWN { "\"10000000-" } else { "\"00000000-0000-0000-0000-0000000000c" };
            assert!(!text.contains(strange), "{request}: {text}");
        }
        let counted = rows(&store, OWN, "conversations?select=tickets(count)&order=id&limit=1").await.unwrap();
        assert_eq!(counted.body(Media::Array), r#"[{"tickets":[{"count":1}]}]"#);
        let foreign = rows(&store, OTHER, "tickets?select=subject,conversations(name)&order=id").await.unwrap();
        assert_eq!(foreign.body(Media::Array), r#"[{"subject":"Apple","conversations":{"name":"first"}},{"subject":"Foreign","conversations":null}]"#);
        let inner = rows(&store, OTHER, "tickets?select=subject,conversations!inner(name)").await.unwrap();
        assert_eq!(inner.total, Some(1));
    }
}
