//! PTX as text: functions and their instructions, as far as the rules look at them.

/// A function with a body.
#[derive(Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Whether it can be launched.
    pub is_entry: bool,
    /// Its instructions in their order; directives are left out.
    pub instructions: Vec<Instruction>,
}

/// One instruction.
#[derive(Debug, Clone, PartialEq)]
pub struct Instruction {
    /// The predicate that it is executed under: `%p1`.
    pub guard: Option<String>,
    /// The operation with its modifiers: `add.rn.f32`.
    pub opcode: String,
    /// What stands behind it.
    pub operands: String,
}

impl Instruction {
    /// The operation's parts: `add`, `rn`, `f32`.
    pub fn parts(&self) -> Vec<&str> {
        self.opcode.split('.').filter(|part| !part.is_empty()).collect()
    }

    /// Whether it reads from global memory.
    pub fn is_global_load(&self) -> bool {
        let parts = self.parts();
        matches!(parts.first(), Some(&("ld" | "ldu"))) && parts.contains(&"global")
    }

    /// Bytes that a load moves, if its type tells.
    pub fn bytes(&self) -> Option<u32> {
        let parts = self.parts();
        let bits: u32 = parts.last()?.trim_start_matches(char::is_alphabetic).parse().ok()?;
        let vector = parts.iter().find_map(|part| part.strip_prefix('v')?.parse::<u32>().ok());
        Some(vector.unwrap_or(1) * bits / 8)
    }
}

/// The functions of a module that have a body.
pub fn functions(ptx: &str) -> Vec<Function> {
    let text = without_comments(ptx);
    let mut functions = Vec::new();
    let mut rest = text.as_str();
    while let Some((at, is_entry)) = next_function(rest) {
        rest = &rest[at..];
        let head = &rest[..rest.find(['{', ';']).expect("a function ends somewhere")];
        let name = name(head);
        rest = &rest[head.len()..];
        if rest.starts_with('{') {
            let end = end_of_body(rest);
            functions.push(Function { name, is_entry, instructions: instructions(&rest[1..end]) });
            rest = &rest[end..];
        }
    }
    functions
}

/// The function called `name` and all that it calls.
///
/// # Errors
/// If one of them is not in the module, so that nobody can tell what it does.
pub fn with_callees<'a>(functions: &'a [Function], name: &str) -> Result<Vec<&'a Function>, String> {
    let find = |name: &str| functions.iter().find(|function| function.name == name);
    let mut found = vec![find(name).ok_or_else(|| format!("{name} is not in the module"))?];
    let mut next = 0;
    while let Some(function) = found.get(next).copied() {
        next += 1;
        for call in function.instructions.iter().filter(|instruction| instruction.parts()[0] == "call") {
            let callee = call
                .operands
                .split(|character: char| ",() \t\n".contains(character))
                .find_map(find)
                .ok_or_else(|| {
                    format!("{} calls what is not in the module: {}", function.name, call.operands)
                })?;
            if found.iter().all(|known| known.name != callee.name) {
                found.push(callee);
            }
        }
    }
    Ok(found)
}

fn without_comments(ptx: &str) -> String {
    let mut text = String::new();
    for (index, part) in ptx.split("/*").enumerate() {
        text.push_str(if index == 0 { part } else { part.split_once("*/").map_or("", |(_, after)| after) });
    }
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    // Line information and pragmas end without a semicolon.
    let kept = lines.filter(|line| !line.trim_start().starts_with(".loc"));
    kept.collect::<Vec<_>>().join("\n")
}

/// Where the next function's directive ends, and whether it is an entry.
fn next_function(text: &str) -> Option<(usize, bool)> {
    let ends = |directive: &str| text.find(directive).map(|at| at + directive.len());
    match (ends(".entry "), ends(".func ")) {
        (Some(entry), Some(func)) => Some((entry.min(func), entry < func)),
        (Some(entry), None) => Some((entry, true)),
        (None, func) => Some((func?, false)),
    }
}

/// The name in `(.param .b32 result) name (…)`, whose first part only some functions have.
fn name(head: &str) -> String {
    let head = head.trim_start();
    let named = match head.strip_prefix('(') {
        Some(result) => result.split_once(')').expect("a result's parenthesis is closed").1.trim_start(),
        None => head,
    };
    let end = named.find(|character: char| character == '(' || character.is_whitespace());
    named[..end.unwrap_or(named.len())].to_owned()
}

fn end_of_body(text: &str) -> usize {
    let mut depth = 0;
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    panic!("a body has no end");
}

fn instructions(body: &str) -> Vec<Instruction> {
    body.split(';').filter_map(instruction).collect()
}

fn instruction(statement: &str) -> Option<Instruction> {
    let mut rest = statement.trim();
    let mut guard = None;
    loop {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        match word {
            "" => return None,
            "{" | "}" => {}
            label if label.ends_with(':') => {}
            predicate if predicate.starts_with('@') => {
                guard = Some(predicate.trim_start_matches(['@', '!']).to_owned());
            }
            directive if directive.starts_with('.') => return None,
            opcode => {
                let operands = after.trim().to_owned();
                return Some(Instruction { guard, opcode: opcode.to_owned(), operands });
            }
        }
        rest = after.trim_start();
    }
}

#[test]
fn functions_and_instructions_are_cut_out() {
    let text = r#"
.extern .func (.param .b32 ret) vprintf (.param .b64 a);
.func  (.param .b32 ret) helper(
	.param .b32 helper_param_0
)
{
	add.f32 	%f1, %f2, %f3; /* two
	lines; */
	ret;
}
	// .globl	reduce_x
.visible .entry reduce_x(
	.param .u64 reduce_x_param_0
)
.maxntid 1024, 1, 1
{
	.reg .f32 	%f<9>;
	.loc	1 2 3, function_name $L__info_string0
	@!%p1 bra 	$L__BB0_2;
$L__BB0_2:
	{
	.reg .pred present;
	@present ld.global.nc.v4.b32 {%r1, %r2, %r3, %r4}, [%rd1];
	}
	{ // callseq 0, 0
	call.uni (retval0),
	helper,
	(
	param0
	);
	} // callseq 0
	ret;
}
"#;
    let functions = functions(text);
    let names: Vec<_> =
        functions.iter().map(|f| (f.name.as_str(), f.is_entry, f.instructions.len())).collect();
    assert_eq!(names, [("helper", false, 2), ("reduce_x", true, 4)]);
    let load = &functions[1].instructions[1];
    assert_eq!((load.guard.as_deref(), load.opcode.as_str()), (Some("present"), "ld.global.nc.v4.b32"));
    assert!(load.is_global_load() && load.bytes() == Some(16));
    let both = with_callees(&functions, "reduce_x").unwrap();
    assert_eq!(
        both.iter().map(|function| function.name.as_str()).collect::<Vec<_>>(),
        ["reduce_x", "helper"]
    );
    let foreign = text.replace("\thelper,", "\tvprintf,");
    assert!(with_callees(&super::ptx::functions(&foreign), "reduce_x").unwrap_err().contains("vprintf"));
}
