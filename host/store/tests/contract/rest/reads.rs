//! Reads without embedded relations: columns, conditions, orders, aggregates.

use resly_rest::media::Media;

use super::data::{OTHER, OWN, body, expect, filled, rows};
use crate::{backend::Backend, both};

/// The last digits of the ids of the tickets that a query finds.
fn subjects(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("{{\"subject\":{}}}", serde_json::json!(name))).collect();
    format!("[{}]", names.join(","))
}

const ANGER: &str = "Ärger, \"groß\"";

both! {
    async fn columns_are_renamed_cast_and_taken_apart(backend: Backend) {
        let store = filled(&backend).await;
        expect(&store, &[
            ("tickets?select=n:subject,created_at,conversation_id&id=eq.00000000-0000-0000-0000-000000000003",
             r#"[{"n":"Ärger, \"groß\"","created_at":"2026-10-04T10:00:00.25+00:00","conversation_id":"00000000-0000-0000-0000-0000000000c2"}]"#),
            ("tickets?select=created_at::date,at:created_at::text&id=eq.00000000-0000-0000-0000-000000000003",
             r#"[{"created_at":"2026-10-04","at":"2026-10-04 10:00:00.25+00"}]"#),
            ("visitors?select=last_seen_at&external_id=eq.Bob", r#"[{"last_seen_at":"2026-10-02T09:00:00.123456+00:00"}]"#),
            ("workflows?select=name,enabled,on:enabled::text,triggers&order=name",
             r#"[{"name":"Look up","enabled":true,"on":"true","triggers":["order"]},{"name":"Off","enabled":false,"on":"false","triggers":[]}]"#),
            ("connections?select=settings&connector=eq.crm", r#"[{"settings":{"n":1.50,"no":null,"on":true,"tags":["a",{"b":2}],"region":"eu"}}]"#),
            ("connections?select=settings->tags,settings->>n,settings->tags->1->>b,last:settings->tags->>-2,settings->>no,settings->no&connector=eq.crm",
             "42712 \"no\" is selected more than once; rename one of them"),
            ("connections?select=settings->tags,settings->>n,settings->tags->1->>b,last:settings->tags->>-2,settings->>no,nope:settings->>nope&connector=eq.crm",
             r#"[{"tags":["a",{"b":2}],"n":"1.50","b":"2","last":"a","no":null,"nope":null}]"#),
            ("usage?select=used,used_text:used::text&meter=eq.fuel", r#"[{"used":9007199254740993,"used_text":"9007199254740993"}]"#),
            ("tickets?select=subject::int&status=eq.closed", "22P02 invalid input syntax for type bigint: \"apple\""),
        ]).await;
    }

    async fn patterns_that_sqlite_could_not_be_ended_in_are_compared_within_bounds(backend: Backend) {
        let store = filled(&backend).await;
        let long = "x".repeat(70);
        let find = async |condition: String| body(&store, &format!("tickets?select=subject&order=id&{condition}")).await;
        assert_eq!(find(format!("or=(subject.like.*{long}*,subject.like._pple)")).await, subjects(&["Apple", "apple"]));
        assert_eq!(find(format!("or=(subject.ilike.*{long}*,subject.ilike.APPLE)")).await, subjects(&["Apple", "apple"]));
        assert_eq!(find(format!("subject=not.like.*{long}*&subject=like.z*")).await, subjects(&["zebra"]));
        if !backend.is_sqlite() {
            return;
        }
        backend.execute("UPDATE tickets SET body = hex(zeroblob(600000)) WHERE subject = 'zebra'").await;
        for condition in ["match.[ab]*a[ab]{250}c".to_owned(), format!("not.like.*{long}*"), format!("ilike.*{long}*")] {
            let refused = rows(&store, OWN, &format!("tickets?body={condition}")).await.unwrap_err();
            assert!(refused.message.contains("more than 1048576 bytes"), "{condition}: {}", refused.message);
            assert!(rows(&store, OWN, &format!("tickets?body={condition}&subject=neq.zebra")).await.is_ok());
        }
        assert_eq!(find("body=like.0*".to_owned()).await, subjects(&["zebra"]), "a short pattern has no such bound");
    }

    async fn each_operator_finds_the_same_rows(backend: Backend) {
        let store = filled(&backend).await;
        let find = async |condition: &str| body(&store, &format!("tickets?select=subject&order=id&{condition}")).await;
        for (condition, found) in [
            ("subject=eq.apple", &["apple"][..]),
            ("subject=neq.apple", &["Apple", ANGER, "zebra"]),
            ("subject=gt.apple", &[ANGER, "zebra"]),
            ("subject=gte.apple", &["apple", ANGER, "zebra"]),
            ("subject=lt.apple", &["Apple"]),
            ("subject=lte.apple", &["Apple", "apple"]),
            ("subject=not.lte.apple", &[ANGER, "zebra"]),
            ("created_at=gte.2026-10-04T10:00:00.25%2B00:00", &[ANGER, "zebra"]),
            ("created_at=gt.2026-10-04 10:00:00.25", &["zebra"]),
            ("id=lt.00000000-0000-0000-0000-000000000002", &["Apple"]),
            ("subject=in.(apple,\"Ärger, \\\"groß\\\"\")", &["apple", ANGER]),
            ("subject=not.in.(apple)", &["Apple", ANGER, "zebra"]),
            ("id=in.(00000000-0000-0000-0000-000000000002,10000000-0000-0000-0000-000000000001)", &["apple"]),
            ("created_at=in.(2026-10-04T08:00:00Z)", &["Apple"]),
            ("subject=in.()", &[]),
            // like
            ("subject=like.a*", &["apple"]),
            ("subject=like.*r*", &[ANGER, "zebra"]),
            ("subject=like.%25ppl_", &["Apple", "apple"]),
            ("body=like.a_b*", &["Apple", "apple"]),
            ("body=like.a\\_b*", &["Apple"]),
            ("body=like.*100\\%25", &["Apple"]),
            ("body=like.[x]\\*", &[ANGER]),
            ("body=like.", &["zebra"]),
            ("subject=ilike.APPLE", &["Apple", "apple"]),
            ("body=ilike.A\\_B*", &["Apple"]),
            ("subject=like(any).{a*,z*}", &["apple", "zebra"]),
            ("subject=like(all).{*p*,A*}", &["Apple"]),
            ("subject=eq(any).{}", &[]),
            ("subject=gt(all).{a,b}", &[ANGER, "zebra"]),
            // regular expressions
            ("subject=match.^a", &["apple"]),
            ("subject=imatch.^A.*e$", &["Apple", "apple"]),
            ("subject=match.[Aa]p{2}le|^z", &["Apple", "apple", "zebra"]),
            ("body=match.\\d{3}", &["Apple"]),
            ("body=match.^\\[x\\]", &[ANGER]),
            ("subject=not.match.p", &[ANGER, "zebra"]),
            ("body=match.^$", &["zebra"]),
            // null
            ("conversation_id=is.null", &["apple", "zebra"]),
            ("conversation_id=not.is.null", &["Apple", ANGER]),
            ("conversation_id=is.not_null", &["Apple", ANGER]),
            ("conversation_id=eq.00000000-0000-0000-0000-0000000000c1", &["Apple"]),
            ("conversation_id=neq.00000000-0000-0000-0000-0000000000c1", &[ANGER]),
            ("conversation_id=isdistinct.00000000-0000-0000-0000-0000000000c1", &["apple", ANGER, "zebra"]),
            // trees
            ("or=(subject.eq.apple,and(status.eq.open,body.eq.))", &["apple", "zebra"]),
            ("not.and=(status.eq.open,subject.like.*p*)", &["apple", ANGER, "zebra"]),
            ("and=(or(subject.match.^A,subject.match.^z),status.not.eq.closed)", &["Apple", "zebra"]),
            ("not.or=(conversation_id.is.null,subject.imatch.apple)", &[ANGER]),
        ] {
            assert_eq!(find(condition).await, subjects(found), "{condition}");
        }
    }

    async fn texts_are_searched_by_their_words(backend: Backend) {
        let store = filled(&backend).await;
        let find = async |condition: &str| {
            let found = body(&store, &format!("messages?select=position,c:conversation_id&order=id&{condition}")).await;
            found.matches("position").count()
        };
        for (condition, found) in [
            ("content=plfts.order", 2),
            ("content=plfts(english).ordering shipping", 1),
            ("content=plfts(simple).order", 1),
            ("content=phfts.order ship", 1),
            ("content=phfts.ship order", 0),
            ("content=wfts.refund or \"my order\" -tomorrow", 2),
            ("content=wfts.order -tomorrow", 1),
            ("content=fts.(refund | tomorrow) %26 !where", 2),
            ("content=fts.refu:*", 1),
            ("content=not.fts.order", 1),
            ("content=fts.the", 0),
            ("content=not.plfts.the", 3),
            ("content=match.my.b", 1),
        ] {
            assert_eq!(find(condition).await, found, "{condition}");
        }
    }

    async fn json_and_lists_are_compared(backend: Backend) {
        let store = filled(&backend).await;
        let find = async |condition: &str| body(&store, &format!("connections?select=name&order=name&{condition}")).await;
        let (both, crm, shop) = (r#"[{"name":"CRM"},{"name":"Shop"}]"#, r#"[{"name":"CRM"}]"#, r#"[{"name":"Shop"}]"#);
        for (condition, found) in [
            ("settings->>region=eq.eu", crm),
            ("settings->>region=in.(eu,us)", both),
            ("settings->>region=like.u*", shop),
            ("settings->>n=eq.1.50", crm),
            ("settings->>on=eq.true", crm),
            ("settings->>no=is.null", both),
            ("settings->no=not.is.null", crm),
            ("settings->tags->1->>b=eq.2", crm),
            ("settings->tags->>-2=eq.a", crm),
            ("settings=cs.{\"region\":\"eu\"}", crm),
            ("settings=cs.{\"tags\":[{\"b\":2}]}", crm),
            ("settings=cd.{\"region\":\"us\",\"more\":1}", shop),
            ("settings=not.cs.{\"region\":\"eu\"}", shop),
            ("or=(settings.cs.{\"region\":\"eu\"},settings->>region.eq.us)", both),
        ] {
            assert_eq!(find(condition).await, found, "{condition}");
        }
        assert_eq!(body(&store, "connections?select=name&order=settings->>region.desc,name").await, r#"[{"name":"Shop"},{"name":"CRM"}]"#);
    }

    async fn rows_are_ordered_alike(backend: Backend) {
        let store = filled(&backend).await;
        for (order, found) in [
            ("subject", &["Apple", "apple", "zebra", ANGER][..]),
            ("subject.desc", &[ANGER, "zebra", "apple", "Apple"]),
            ("conversation_id,subject", &["Apple", ANGER, "apple", "zebra"]),
            ("conversation_id.desc,subject", &["apple", "zebra", ANGER, "Apple"]),
            ("conversation_id.asc.nullsfirst,subject", &["apple", "zebra", "Apple", ANGER]),
            ("conversation_id.desc.nullslast,subject.desc", &[ANGER, "Apple", "zebra", "apple"]),
            ("status,created_at.desc", &["apple", "zebra", ANGER, "Apple"]),
        ] {
            assert_eq!(body(&store, &format!("tickets?select=subject&order={order}")).await, subjects(found), "{order}");
        }
        assert_eq!(body(&store, "tickets?select=subject&order=id&limit=2&offset=1").await, subjects(&["apple", ANGER]));
        assert_eq!(body(&store, "tickets?select=subject&order=id&offset=3").await, subjects(&["zebra"]));
        assert_eq!(body(&store, "tickets?select=subject&order=id&limit=0").await, "[]");
        assert_eq!(rows(&store, OWN, "tickets?limit=1&status=eq.open").await.unwrap().total, Some(3));
    }

    async fn groups_are_aggregated(backend: Backend) {
        let store = filled(&backend).await;
        expect(&store, &[
            ("tickets?select=status,count()&order=status", r#"[{"status":"closed","count":1},{"status":"open","count":3}]"#),
            ("tickets?select=count()", r#"[{"count":4}]"#),
            ("tickets?select=n:conversation_id.count(),first:subject.min(),last:created_at.max()",
             r#"[{"n":2,"first":"Apple","last":"2026-10-04T11:00:00+00:00"}]"#),
            ("usage?select=meter,used.sum(),used.avg(),used.max()&order=meter.desc",
             r#"[{"meter":"messages","sum":15,"avg":7.5,"max":10},{"meter":"fuel","sum":9007199254740993,"avg":9007199254740992.0,"max":9007199254740993}]"#),
            ("usage?select=meter,total:used.sum()::text&order=total&meter=eq.messages", r#"[{"meter":"messages","total":"15"}]"#),
            ("usage?select=used.sum(),used.avg(),count()&meter=eq.nothing", r#"[{"sum":null,"avg":null,"count":0}]"#),
            ("usage?select=meter,count()&meter=eq.nothing", "[]"),
            ("connections?select=settings->>region,count()&order=region.desc", r#"[{"region":"us","count":1},{"region":"eu","count":1}]"#),
            ("connections?select=settings->>region,count()&order=settings->>region.desc", r#"[{"region":"us","count":1},{"region":"eu","count":1}]"#),
            ("messages?select=day:created_at::date,count()&order=day.desc", r#"[{"day":"2026-10-03","count":3}]"#),
            ("usage?select=created_at::date,used.max()&order=created_at&meter=eq.messages", r#"[{"created_at":"2026-09-01","max":10},{"created_at":"2026-10-01","max":5}]"#),
            ("messages?select=day:created_at::date,count()&order=created_at", "42803 column \"messages.created_at\" must appear in the select of an aggregate to be ordered by"),
            ("visitors?select=at:created_at::text,count()&order=at.desc&limit=1", r#"[{"at":"2026-10-01 09:00:00+00","count":1}]"#),
            ("tickets?select=subject::int,count()", "PGRST127 Feature not implemented"),
            ("connections?select=settings->>n::int,count()", "PGRST127 Feature not implemented"),
            ("usage?select=period_start::date,used.sum()&meter=eq.messages&order=sum", r#"[{"period_start":"2026-10-01","sum":5},{"period_start":"2026-09-01","sum":10}]"#),
            ("tickets?select=status,count()&order=count.desc&limit=1", r#"[{"status":"open","count":3}]"#),
        ]).await;
        assert_eq!(rows(&store, OWN, "tickets?select=status,count()&limit=1").await.unwrap().total, Some(2), "groups are counted");
        assert_eq!(rows(&store, OWN, "messages?select=day:created_at::date,count()").await.unwrap().total, Some(1));
    }

    async fn an_organization_reads_its_own_rows_only(backend: Backend) {
        let store = filled(&backend).await;
        for table in resly_rest::registry::TABLES {
            for (organization, other) in [(OWN, OTHER), (OTHER, OWN)] {
                let found = rows(&store, organization, &format!("{}?select=*", table.name)).await.unwrap();
                let text = found.body(Media::Array);
                assert!(!text.contains(&other.to_string()), "{}: {text}", table.name);
                assert_eq!(found.total, Some(found.rows.len() as u64));
            }
        }
        // By any way of asking for it.
        for request in [
            "tickets?organization_id=eq.00000000-0000-0000-0000-00000000000b",
            "tickets?or=(id.eq.10000000-0000-0000-0000-000000000001,organization_id.neq.00000000-0000-0000-0000-00000000000a)",
            "tickets?not.and=(organization_id.eq.00000000-0000-0000-0000-00000000000a)",
            "messages?content=match.Secret&content=ilike.*secret*",
            "messages?content=wfts.secret",
        ] {
            if backend.forgets() && request.contains("organization_id") {
                continue;
            }
            let found = rows(&store, OWN, request).await.unwrap();
            assert_eq!((found.rows.len(), found.total), (0, Some(0)), "{request}");
        }
        assert_eq!(body(&store, "usage?select=used.max()&meter=eq.messages").await, r#"[{"max":10}]"#);
    }

    async fn csv_is_written(backend: Backend) {
        let store = filled(&backend).await;
        let found = rows(&store, OWN, "tickets?select=subject,conversation_id&order=id&limit=3").await.unwrap();
        let csv = "subject,conversation_id\nApple,00000000-0000-0000-0000-0000000000c1\napple,\n\"Ärger, \"\"groß\"\"\",\
                   00000000-0000-0000-0000-0000000000c2";
        assert_eq!(found.body(Media::Csv), csv);
    }
}
