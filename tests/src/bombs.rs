//! Hostile components, which harm a host that compiles or only parses them. They are written as bytes, because no
//! toolchain makes them (WebAssembly Core Specification, "Binary Format"; `Binary.md` of the component model).

/// A hostile component.
pub struct Bomb {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    /// Whether its structure already shows that it is hostile, without compiling it.
    pub at_once: bool,
}

/// One component of each kind. Another `salt` gives other files of the same kinds.
pub fn all(salt: u8) -> Vec<Bomb> {
    let compiled = [
        ("values that all live to the end", live_values(20_000)),
        ("locals", locals(100_000, 50_000)),
        ("branch tables", branch_tables(16, 12)),
        ("calls with a thousand arguments", wide_calls(4, 900)),
        ("blocks within blocks", nested_blocks(250_000)),
        ("small functions", small_functions(199_000)),
        ("instances of instances", instances(100)),
    ];
    let looked_at = [
        ("one huge function", connector(&module(&[code(0, 0, &[0x01; 3 << 20])]))),
        ("types", [root(&[]), section(7, &counted(1_000_001, &[0x73; 1_000_001]))].concat()),
        ("sections", root(&custom("a", &[]).repeat(10_001))),
        ("components within components", nested_components(1_000)),
    ];
    let bomb = |at_once| {
        move |(name, bytes): (&'static str, Vec<u8>)| Bomb {
            name,
            bytes: [bytes, custom("salt", &[salt])].concat(),
            at_once,
        }
    };
    compiled.into_iter().map(bomb(false)).chain(looked_at.into_iter().map(bomb(true))).collect()
}

/// A function that needs every value at its end, so no register is ever free.
fn live_values(count: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for n in 0..count {
        // Each load has another address, by its offset.
        body.extend([0x41, 0x00, 0x28, 0x02]);
        leb(&mut body, 4 * n);
        body.push(0x20);
        leb(&mut body, n % 8);
        body.extend([0x6c, 0x21]);
        leb(&mut body, n);
    }
    for n in 0..count {
        body.push(0x20);
        leb(&mut body, n);
        body.extend([0x04, 0x40, 0x41, 0x00, 0x41, 0x00, 0x36, 0x02, 0x00, 0x0b]);
    }
    connector(&module(&[code(0, count, &body)]))
}

/// Many functions that only have locals: few bytes each, but work for every local.
fn locals(functions: usize, each: usize) -> Vec<u8> {
    connector(&module(&vec![code(0, each, &[]); functions]))
}

fn branch_tables(tables: usize, functions: usize) -> Vec<u8> {
    const BLOCKS: usize = 1_000;
    let mut body = [0x02, 0x40].repeat(BLOCKS);
    for _ in 0..tables {
        body.extend([0x02, 0x40, 0x41, 0x07, 0x0e]);
        leb(&mut body, 60_000);
        (0..60_000).for_each(|n| leb(&mut body, n % BLOCKS));
        body.extend([0x00, 0x0b]);
    }
    body.extend([0x0b].repeat(BLOCKS));
    connector(&module(&vec![code(0, 0, &body); functions]))
}

fn wide_calls(functions: usize, calls: usize) -> Vec<u8> {
    let call = [[0x42, 0x00].repeat(1_000), vec![0x10, 0x00]].concat();
    let callers = vec![code(0, 0, &call.repeat(calls)); functions];
    connector(&module(&[vec![code(1, 0, &[])], callers].concat()))
}

fn nested_blocks(depth: usize) -> Vec<u8> {
    let body = [[0x41, 0x01, 0x04, 0x40].repeat(depth), [0x0b].repeat(depth)].concat();
    connector(&module(&[code(0, 0, &body)]))
}

/// Any component with an additional module, which isn't used but takes long to compile.
pub fn padded(component: &[u8], functions: usize) -> Vec<u8> {
    [component, &section(1, &module(&vec![code(0, 0, &SMALL); functions]))].concat()
}

const SMALL: [u8; 6] = [0x41, 0x01, 0x41, 0x02, 0x6a, 0x1a];

/// Many functions that do next to nothing.
fn small_functions(count: usize) -> Vec<u8> {
    connector(&module(&vec![code(0, 0, &SMALL); count]))
}

/// Three levels of components. Each has this many instances of the one below.
fn instances(each: usize) -> Vec<u8> {
    let of_modules = section(2, &counted(each, &[0x00, 0x00, 0x00].repeat(each)));
    let of_components = section(5, &counted(each, &[0x00, 0x00, 0x00].repeat(each)));
    let component = [section(1, &module(&[code(0, 0, &[])])), of_modules].concat();
    let component = [section(4, &root(&component)), of_components.clone()].concat();
    root(&[section(4, &root(&component)), of_components, export(each)].concat())
}

fn nested_components(depth: usize) -> Vec<u8> {
    (0..depth).fold(root(&[]), |inner, _| root(&section(4, &inner)))
}

/// A component with an instantiated core module and the export of a connector.
fn connector(module: &[u8]) -> Vec<u8> {
    let instance = section(2, &[0x01, 0x00, 0x00, 0x00]);
    let empty = section(5, &[0x01, 0x01, 0x00]);
    root(&[section(1, module), instance, empty, export(0)].concat())
}

/// Exports the instance with this index as the interface of actions.
fn export(instance: usize) -> Vec<u8> {
    let instance = u8::try_from(instance.saturating_sub(1)).unwrap_or(0);
    let mut contents = vec![0x01, 0x00];
    text(&mut contents, "resly:connector/action@1.0.0");
    contents.extend([0x05, instance, 0x00]);
    section(11, &contents)
}

fn root(sections: &[u8]) -> Vec<u8> {
    [b"\0asm\x0d\0\x01\0", sections].concat()
}

/// A function of a core module: its type (0 takes nothing, 1 takes a thousand numbers), locals and instructions.
#[derive(Clone)]
struct Code {
    kind: u8,
    body: Vec<u8>,
}

fn code(kind: u8, locals: usize, instructions: &[u8]) -> Code {
    let mut body = Vec::with_capacity(instructions.len() + 8);
    if locals == 0 {
        body.push(0x00);
    } else {
        body.push(0x01);
        leb(&mut body, locals);
        body.push(0x7f);
    }
    body.extend_from_slice(instructions);
    body.push(0x0b);
    Code { kind, body }
}

/// A core module with one memory.
fn module(functions: &[Code]) -> Vec<u8> {
    let mut wide = vec![0x60];
    leb(&mut wide, 1_000);
    wide.extend([0x7e].repeat(1_000));
    wide.push(0x00);
    let types = [&[0x02, 0x60, 0x00, 0x00], wide.as_slice()].concat();
    let kinds: Vec<u8> = functions.iter().map(|function| function.kind).collect();
    let mut bodies = Vec::new();
    for function in functions {
        leb(&mut bodies, function.body.len());
        bodies.extend_from_slice(&function.body);
    }
    let memory = [0x01, 0x00, 0x01];
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &types),
        section(3, &counted(functions.len(), &kinds)),
        section(5, &memory),
        section(10, &counted(functions.len(), &bodies)),
    ]
    .concat()
}

fn custom(name: &str, contents: &[u8]) -> Vec<u8> {
    let mut section_contents = Vec::new();
    text(&mut section_contents, name);
    section_contents.extend_from_slice(contents);
    section(0, &section_contents)
}

fn section(id: u8, contents: &[u8]) -> Vec<u8> {
    let mut section = vec![id];
    leb(&mut section, contents.len());
    section.extend_from_slice(contents);
    section
}

fn counted(count: usize, items: &[u8]) -> Vec<u8> {
    let mut counted = Vec::new();
    leb(&mut counted, count);
    counted.extend_from_slice(items);
    counted
}

fn text(out: &mut Vec<u8>, text: &str) {
    leb(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// Unsigned LEB128.
fn leb(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or(0);
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}
