use super::*;
use crate::registry::table;

fn read(name: &str, query: &str) -> Result<Node, RestError> {
    plan(table(name).unwrap(), &Query::parse(query)?)
}

fn code(name: &str, query: &str) -> String {
    read(name, query).map(|node| panic!("{node:?}")).unwrap_err().code.into_owned()
}

#[test]
fn a_select_without_names_is_every_column() {
    let node = read("tickets", "").unwrap();
    assert_eq!(node.items.len(), table("tickets").unwrap().columns.len());
    assert_eq!(read("tickets", "select=*,id,subject").unwrap().items.len(), node.items.len());
}

#[test]
fn relations_are_found_by_table_column_name_and_hint() {
    for select in ["visitors(*)", "visitor_id(*)", "v:conversations_visitor_id_fkey(*)", "visitors!visitor_id(*)"] {
        let node = read("conversations", &format!("select=id,{select}")).unwrap();
        assert!(node.embeds[0].to_one, "{select}");
        assert_eq!(node.embeds[0].node.table.name, "visitors");
    }
    let node = read("visitors", "select=conversations(messages(id),tickets(id))").unwrap();
    assert!(!node.embeds[0].to_one);
    assert_eq!(code("tickets", "select=visitors(*)"), "PGRST200");
    assert_eq!(code("conversations", "select=visitors!nope(*)"), "PGRST200");
    assert_eq!(code("conversations", "select=api_keys(*)"), "PGRST200");
}

#[test]
fn parameters_reach_what_is_embedded_and_nothing_else() {
    let node =
        read("conversations", "select=id,m:messages(role)&m.role=eq.user&m.limit=2&m.order=position.desc").unwrap();
    let inner = &node.embeds[0].node;
    assert_eq!((inner.filters.len(), inner.limit, inner.order.len()), (1, Some(2), 1));
    assert_eq!(code("conversations", "select=id,m:messages(role)&messages.role=eq.user"), "PGRST108");
    assert_eq!(code("conversations", "select=id&messages=not.is.null"), "42703");
    assert!(read("conversations", "select=id,messages()&messages=not.is.null").is_ok());
    assert_eq!(code("conversations", "select=id,messages()&messages=eq.1"), "PGRST120");
    assert_eq!(code("conversations", "select=id,visitors(id)&visitors.limit=1"), "PGRST127");
}

#[test]
fn each_operator_has_its_types() {
    for (name, query, code) in [
        ("tickets", "id=like.a*", "42883"),
        ("tickets", "subject=cs.{a}", "42883"),
        ("tickets", "subject=sl.1", "PGRST127"),
        ("tickets", "subject=is.true", "42804"),
        ("tickets", "subject=is.maybe", "PGRST100"),
        ("tickets", "created_at=fts.a", "42883"),
        ("tickets", "created_at=gt.soon", "22007"),
        ("tickets", "id=in.(1)", "22P02"),
        ("tickets", "subject->>a=eq.1", "42883"),
        ("tickets", "subject=neq(any).{a}", "PGRST100"),
        ("tickets", "subject=eq(english).a", "PGRST100"),
        ("tickets", "subject=fts(klingon).a", "42704"),
        ("tickets", "nope=eq.1", "42703"),
        ("connections", "settings=eq.{}", "PGRST127"),
        ("connections", "settings->a=eq.1", "PGRST127"),
        ("connections", "credentials=is.null", "42703"),
        ("conversations", "tags=gt.{a}", "PGRST127"),
        ("conversations", "tags=cs.a", "22P02"),
        ("conversations", "order=tags", "PGRST127"),
        ("conversations", "select=id,messages(id)&order=messages(id)", "PGRST118"),
        ("usage", "select=meter,used.sum()&order=period_start", "42803"),
        ("usage", "select=meter.sum()", "42883"),
        ("usage", "select=id.max()", "42883"),
        ("usage", "select=used.sum(),used.sum()", "42712"),
        ("conversations", "select=count(),messages(id)", "PGRST127"),
        ("visitors", "select=...conversations(id)", "PGRST127"),
        ("conversations", "select=id,...visitors(id)", "42712"),
        ("workflows", "select=enabled::date", "42846"),
        ("knowledge_sources", "search=eq.a", "PGRST127"),
        ("knowledge_sources", "search=fts(klingon).a", "42704"),
        ("knowledge_sources", "search=fts.a b", "42601"),
        ("knowledge_sources", "select=search", "42703"),
        ("knowledge_sources", "order=search", "42703"),
        ("tickets", "search=fts.a", "42703"),
    ] {
        assert_eq!(self::code(name, query), code, "{name}?{query}");
    }
    for (name, query) in [
        ("tickets", "subject=like(any).{a*,b*}&or=(status.eq.open,status.is.null,body.wfts(english).refund)"),
        ("connections", "settings->a->>b=eq.1&settings=cs.{\"a\":1}&order=settings->>a.desc"),
        ("conversations", "tags=ov.{a,b}&tags=eq.{a}&tags=isdistinct.{}"),
        ("usage", "select=meter,total:used.sum()::text,count()&order=total.desc,meter"),
        (
            "conversations",
            "select=id,...visitors(external_id,seen:last_seen_at::date)&order=visitors(external_id).desc",
        ),
        ("conversations", "select=id,messages(count)"),
        ("knowledge_sources", "search=wfts(german).rückgabe&or=(search.fts.a,search.not.phfts(simple).b c)"),
    ] {
        assert!(read(name, query).is_ok(), "{name}?{query}: {:?}", read(name, query).err());
    }
}

#[test]
fn what_asks_for_too_much_is_refused() {
    let list = |n: usize| vec!["a"; n].join(",");
    assert_eq!(code("tickets", &format!("subject=eq(any).{{{}}}", list(300))), "54000");
    let embeds: Vec<String> = (0..9).map(|n| format!("m{n}:messages(id)")).collect();
    assert_eq!(code("conversations", &format!("select={}", embeds.join(","))), "54000");
    let or = format!("or=({})&", vec!["status.eq.a"; 150].join(","));
    assert_eq!(code("tickets", &or.repeat(2)), "54000");
}
