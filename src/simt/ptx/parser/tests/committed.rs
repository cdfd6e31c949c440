//! The committed kernels: nothing of them is lost, as independent counts over their lines tell.

use std::path::PathBuf;

use regex::Regex;

use super::{instructions, parse};
use crate::simt::ptx::ast::{Module, Parameter, Statement};

/// Names and texts of kernels/ptx.
pub(super) fn kernels() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("kernels/ptx");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut kernels: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "ptx"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    kernels.sort();
    assert!(kernels.len() >= 7, "{}", kernels.len());
    kernels
}

/// Lines that a pattern matches.
fn lines(text: &str, pattern: &str) -> usize {
    let pattern = Regex::new(pattern).unwrap();
    text.lines().filter(|line| pattern.is_match(line)).count()
}

fn labels(module: &Module) -> usize {
    let bodies = module.functions.iter().filter_map(|function| function.body.as_ref());
    let statements = bodies.flat_map(|body| &body.statements);
    statements.filter(|statement| matches!(statement, Statement::Label(..))).count()
}

#[test]
fn counts_agree_with_the_lines() {
    let declarations = Regex::new(r"\.reg\s[^;]*;").unwrap();
    for (file, text) in kernels() {
        let code = text.split(".section").next().unwrap();
        let module = parse(&text).unwrap_or_else(|fault| panic!("{file}: {fault}"));
        let bodies: Vec<_> =
            module.functions.iter().map(|function| function.body.as_ref().unwrap()).collect();
        let parsed: Vec<_> = bodies.iter().flat_map(|body| instructions(body)).collect();

        assert_eq!(
            module.functions.len(),
            lines(code, r"^(\.visible )?\.(entry|func)\b"),
            "{file}: functions"
        );
        assert_eq!(
            parsed.len(),
            lines(code, r"^\s*(@!?%?\w+\s+)?[a-z][\w.:]*(\s[^;]*)?;$"),
            "{file}: instructions"
        );
        let guards = parsed.iter().filter(|instruction| instruction.guard.is_some()).count();
        assert_eq!(guards, lines(code, r"^\s*@"), "{file}: guards");
        assert_eq!(labels(&module), lines(code, r"^\$?\w+:$"), "{file}: labels");
        let registers: usize = bodies.iter().map(|body| body.registers.len()).sum();
        let declared: usize =
            declarations.find_iter(code).map(|list| 1 + list.as_str().matches(',').count()).sum();
        assert_eq!(registers, declared, "{file}: registers");
        assert_eq!(
            module.variables.len(),
            lines(code, r"^(\.\w+ )?\.(global|const|shared)\s"),
            "{file}: variables"
        );
        let variables: usize = bodies.iter().map(|body| body.variables.len()).sum();
        assert_eq!(
            variables,
            lines(code, r"^\s+\.(shared|local|param)\s.*;$"),
            "{file}: variables of bodies"
        );
        let parameters: usize = module.functions.iter().map(|function| function.parameters.len()).sum();
        assert_eq!(parameters, lines(code, r"^\s+\.param\s[^;]*$"), "{file}: parameters");
        assert_eq!(module.files.len(), lines(&text, r"^\s*\.file\s"), "{file}: files");
    }
}

#[test]
fn each_instruction_stands_on_its_line() {
    for (file, text) in kernels() {
        let written: Vec<_> = text.lines().collect();
        let module = parse(&text).unwrap();
        for body in module.functions.iter().filter_map(|function| function.body.as_ref()) {
            for instruction in instructions(body) {
                let line = written[instruction.place.line as usize - 1];
                assert!(
                    line.contains(&instruction.full_name()),
                    "{file}: {line}: {}",
                    instruction.full_name()
                );
            }
        }
    }
}

/// The `.loc` in front of each instruction, found by a pattern over the lines.
#[test]
fn each_instruction_has_its_source_line() {
    let loc = Regex::new(r"^\s*\.loc\s+(\d+)\s+(\d+)").unwrap();
    let mut with_source = 0_usize;
    for (file, text) in kernels() {
        let module = parse(&text).unwrap();
        let mut expected = Vec::new();
        let mut current = None;
        for line in text.lines() {
            if line.contains(".entry") || line.contains(".func") {
                current = None;
            }
            if let Some(found) = loc.captures(line) {
                let number = |group: usize| found[group].parse::<u32>().unwrap();
                let name =
                    module.files.iter().find(|(index, _)| *index == number(1)).map(|(_, name)| name.clone());
                current = name.map(|name| (name, number(2))).filter(|(_, line)| *line > 0);
            }
            expected.push(current.clone());
        }
        for body in module.functions.iter().filter_map(|function| function.body.as_ref()) {
            for instruction in instructions(body) {
                let place = &instruction.place;
                assert_eq!(place.source, expected[place.line as usize - 1], "{file} line {}", place.line);
                with_source += usize::from(place.source.is_some());
            }
        }
    }
    assert!(with_source > 10_000, "{with_source}");
}

/// One more pair of braces around each body changes nothing but the names of what is declared inside.
#[test]
fn bodies_inside_another_block_mean_the_same() {
    let registers = Regex::new(r#""%[a-z]+(@\d+_)?\d+""#).unwrap();
    let unique = Regex::new(r"@\d+_?").unwrap();
    for (file, text) in kernels() {
        let wrapped = text.replace("\n{\n", "\n{{\n").replace("\n}\n", "\n}}\n");
        let (plain, wrapped) = (parse(&text).unwrap(), parse(&wrapped).unwrap());
        for (plain, wrapped) in plain.functions.iter().zip(&wrapped.functions) {
            let parameters = plain.parameters.iter().map(|parameter| match parameter {
                Parameter::Memory(variable) => variable.name.as_str(),
                Parameter::Register(register) => register.name.as_str(),
            });
            assert!(parameters.clone().all(|parameter| !parameter.contains('@')));
            let (before, after) = (format!("{plain:?}"), format!("{wrapped:?}"));
            assert_ne!(before, after, "{file}");
            let (before, after) = (unique.replace_all(&before, ""), unique.replace_all(&after, ""));
            assert!(before == after, "{file}: {} differs", plain.name);
            for instruction in instructions(wrapped.body.as_ref().unwrap()) {
                let text = format!("{instruction:?}");
                for register in registers.captures_iter(&text) {
                    assert!(register.get(1).is_some(), "{file}: {} in {text}", &register[0]);
                }
            }
        }
    }
}
