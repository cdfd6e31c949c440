//! What an entry asks for: explained from its signature, and as a TOML file to be filled in.

use std::fmt::Write as _;

use crate::explore::plan::Role;
use crate::simt::{Module, Parameter, Usage};

/// An argument's type and role, guessed from a parameter.
fn guess(parameter: &Parameter, usage: Usage) -> (String, String) {
    let name = &parameter.name;
    if usage.is_address {
        let role = if usage.is_written { Role::Both } else { Role::In };
        let (role, says) = match role {
            Role::In => ("in", "a buffer that is read"),
            Role::Out | Role::Both => {
                ("both", "a buffer that is written; role out if nothing of it is read before")
            }
        };
        let values = if role == "in" { "values = \"wide\"" } else { "values = \"zero\"" };
        let text = format!(
            "buffer = \"f32\"      # {says}\nlength = 1024       # elements; or file = \"{name}.npy\"\n{values}\nrole = \"{role}\"\n"
        );
        return (text, says.to_owned());
    }
    let element = match (parameter.elements, parameter.bytes, parameter.ty.name()) {
        (1, _, "f32") => "f32",
        (1, _, "f64") => "f64",
        (1, 1, _) => "u8",
        (1, 2, _) => "u16",
        (1, 4, _) => "u32",
        (1, 8, _) => "u64",
        (_, bytes, _) => {
            let zeros = vec!["0"; bytes as usize].join(", ");
            return (format!("bytes = [{zeros}]\n"), format!("a structure of {bytes} bytes"));
        }
    };
    (
        format!("scalar = \"{element}\"\nvalue = 1\n"),
        format!("a number: {element}, or another type of its size"),
    )
}

/// For people: what the entry takes. `None` if there is no such entry.
pub fn explain(module: &Module, entry: &str) -> Option<String> {
    let parameters = module.parameters(entry)?;
    let plural = if parameters.len() == 1 { "" } else { "s" };
    let mut text = format!("{entry} takes {} argument{plural}:\n", parameters.len());
    for (parameter, usage) in parameters {
        let (_, says) = guess(parameter, usage);
        // Writing into a string does not fail.
        let _ = writeln!(text, "  {}  {} of {} bytes: {says}", parameter.name, parameter.ty, parameter.bytes);
    }
    Some(text)
}

/// The file to be filled in. `None` if there is no such entry.
pub fn template(module: &Module, entry: &str) -> Option<String> {
    let mut text = format!(
        "# What {entry} is launched with, for samebits explore. Lengths, values and types are to be filled in: what is\n\
         # here is a guess from the PTX. Types: f16 bf16 f32 f64 u8 i8 u16 i16 u32 i32 u64 i64. Values: zero, index,\n\
         # below=N, uniform, normal, wide, cancelling; or a file, .npy or .safetensors (with tensor = \"NAME\").\n\
         entry = \"{entry}\"\ngrid = [2, 1, 1]\nblock = [64, 1, 1]\nshared = 0          # bytes of dynamic shared memory\n"
    );
    for (parameter, usage) in module.parameters(entry)? {
        let (argument, _) = guess(parameter, usage);
        let _ = write!(text, "\n[[argument]]\nname = \"{}\"\n{argument}", parameter.name);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::plan::Written;

    #[test]
    fn what_is_guessed_of_our_kernels_is_what_they_take() {
        let text = include_str!("../../kernels/ptx/reduce.ptx");
        let module = Module::new(text).unwrap();
        let parameters = module.parameters("reduce_fixed_tree_f32").unwrap();
        let usages: Vec<_> =
            parameters.iter().map(|(_, usage)| (usage.is_address, usage.is_written)).collect();
        // x, out, partials, tickets, rows, columns, chunks, tiles_per_chunk
        let no = (false, false);
        assert_eq!(usages, [(true, false), (true, true), (true, true), (true, true), no, no, no, no]);
        let template = template(&module, "reduce_fixed_tree_f32").unwrap();
        let written: Written = toml::from_str(&template).unwrap();
        for (number, given) in written.arguments.iter().enumerate() {
            given.argument(number).unwrap();
        }
        assert_eq!(written.arguments.len(), 8);
        assert!(explain(&module, "reduce_fixed_tree_f32").unwrap().contains("takes 8 arguments"));
        assert_eq!(explain(&module, "nothing"), None);
    }
}
