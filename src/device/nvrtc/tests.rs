//! What can be told without a compiler; and with one, where there is one: that which [`LIBRARY_VARIABLE`]
//! names, or the pinned one of `scripts/build-ptx`. A test that finds none says so.

use std::path::{Path, PathBuf};

use super::library::{LIBRARY_VARIABLE, Nvrtc, Search};
use super::{CompileSetting, compile_with, portable};
use crate::device::plan::{CONTRACTIBLE_FMAD0, CONTRACTIBLE_FMAD1, MODULES, Module, REDUCE, SUPPORT, Source};
use crate::simt;

/// NVRTC's version at the head of the committed PTX.
const PINNED: (i32, i32) = (12, 0);

/// The library in the virtual environment that `scripts/build-ptx` makes.
fn pinned() -> Option<PathBuf> {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/build-ptx/lib");
    let library = "site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12";
    let pythons = venv.read_dir().ok()?.filter_map(|entry| Some(entry.ok()?.path().join(library)));
    pythons.into_iter().find(|path| path.is_file())
}

fn nvrtc() -> Option<Nvrtc> {
    let given = std::env::var_os(LIBRARY_VARIABLE);
    let Some(file) = given.or_else(|| Some(pinned()?.into_os_string())) else {
        println!("not tested: no NVRTC ({LIBRARY_VARIABLE} is not set, and .cache/build-ptx has none)");
        return None;
    };
    Some(Search::new(Some(file)).open().unwrap())
}

fn options_of(module: &Module, setting: &CompileSetting) -> String {
    setting.options(module.options().unwrap()).join(" ")
}

fn entries(ptx: &str) -> Vec<String> {
    simt::Module::new(ptx).unwrap().entries().map(str::to_owned).collect()
}

/// What follows the head's comments, without the lines and blanks that `scripts/build-ptx` takes out.
fn body(ptx: &str) -> Vec<&str> {
    let lines = ptx.lines().skip_while(|line| line.starts_with("//") || line.is_empty());
    lines.filter(|line| !line.trim().is_empty() && !line.contains("2nv6target")).collect()
}

#[test]
fn a_setting_is_written_sorted_by_key() {
    let texts: Vec<_> = CompileSetting::all().iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["fmad=0", "ftz=1", "prec-div=0", "prec-sqrt=0", "fast-math=1"]);
    assert_eq!(CompileSetting::default().to_string(), "");
    let several = CompileSetting {
        fmad: Some(true),
        ftz: Some(false),
        prec_div: None,
        prec_sqrt: Some(false),
        fast_math: true,
    };
    assert_eq!(several.to_string(), "fast-math=1;fmad=1;ftz=0;prec-sqrt=0");
}

#[test]
fn options_are_those_of_the_ptx_and_what_the_setting_says() {
    let plain = "--gpu-architecture=compute_75 --std=c++17 --generate-line-info";
    assert_eq!(options_of(&REDUCE, &CompileSetting::default()), plain);
    let all = CompileSetting::all().iter().map(|setting| options_of(&REDUCE, setting)).collect::<Vec<_>>();
    let expected = ["--fmad=false", "--ftz=true", "--prec-div=false", "--prec-sqrt=false", "--use_fast_math"];
    assert_eq!(all, expected.map(|option| format!("{plain} {option}")));
}

#[test]
fn a_setting_replaces_a_modules_own_option_and_leaves_its_macros() {
    let set = |fmad| CompileSetting { fmad, ..CompileSetting::default() };
    let own = options_of(&CONTRACTIBLE_FMAD1, &set(None));
    assert!(own.ends_with("--fmad=true --define-macro=FMAD=1"), "{own}");
    let replaced = options_of(&CONTRACTIBLE_FMAD1, &set(Some(false)));
    assert!(replaced.ends_with("--generate-line-info --define-macro=FMAD=1 --fmad=false"), "{replaced}");
    let same = options_of(&CONTRACTIBLE_FMAD0, &set(Some(false)));
    assert!(same.ends_with("--generate-line-info --define-macro=FMAD=0 --fmad=false"), "{same}");
}

#[test]
fn no_library_is_one_line_with_names_and_remedy() {
    let search = Search { file: None, names: &["libnvrtc-of-nobody.so.1", "libnvrtc-of-nobody.so"] };
    let error = search.open().err().unwrap();
    for part in ["(tried libnvrtc-of-nobody.so.1, libnvrtc-of-nobody.so)", "LD_LIBRARY_PATH", "pip install"] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn a_file_that_is_given_is_the_only_one_tried() {
    let error = Search::new(Some("/nowhere/libnvrtc.so.12".into())).open().err().unwrap();
    assert!(error.contains("SAMEBITS_NVRTC=/nowhere/libnvrtc.so.12 is no NVRTC"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(Search::new(Some("".into())).file.is_none());
}

#[test]
fn no_folder_of_this_machine_stays_in_a_file_line() {
    let ptx = "\t.file\t1 \"/home/somebody/kernels/reduce.cu\"\n.file 2 \"/home/reduce.cuh\"\n\
               .file\t3 \"C:\\cuda\\target\", 4\n.loc 1 2 3\n";
    let expected = "\t.file\t1 \"kernels/reduce.cu\"\n.file 2 \"kernels/reduce.cuh\"\n\
                    .file\t3 \"target\", 4\n.loc 1 2 3\n";
    assert_eq!(portable(ptx, &REDUCE.source), expected);
}

#[test]
fn the_pinned_compiler_makes_the_committed_ptx() {
    let Some(nvrtc) = nvrtc() else { return };
    let version = nvrtc.version().unwrap();
    if version != PINNED {
        println!("not tested: NVRTC is {version:?}, and not {PINNED:?}");
        return;
    }
    for module in MODULES {
        let ptx = compile_with(&nvrtc, module, &CompileSetting::default()).unwrap();
        assert_eq!(body(&ptx), body(module.ptx), "{}", module.name);
    }
}

#[test]
fn any_compiler_and_setting_makes_ptx_that_the_simulated_gpu_takes() {
    let Some(nvrtc) = nvrtc() else { return };
    for setting in [CompileSetting::default()].into_iter().chain(CompileSetting::all()) {
        // The small ones; every module would take half a minute.
        for module in [&CONTRACTIBLE_FMAD0, &CONTRACTIBLE_FMAD1, &SUPPORT] {
            let ptx = compile_with(&nvrtc, module, &setting).unwrap();
            let flushes = setting.ftz == Some(true) || setting.fast_math;
            assert_eq!(ptx.contains(".ftz.f32"), flushes, "{} {setting}", module.name);
            assert_eq!(entries(&ptx), entries(module.ptx), "{} {setting}", module.name);
        }
    }
    let flushing = CompileSetting { ftz: Some(true), ..CompileSetting::default() };
    let ptx = compile_with(&nvrtc, &REDUCE, &flushing).unwrap();
    assert!(ptx.contains("add.rn.ftz.f32") && !REDUCE.ptx.contains(".ftz"));
    let apart = CompileSetting { fmad: Some(false), ..CompileSetting::default() };
    let ptx = compile_with(&nvrtc, &CONTRACTIBLE_FMAD1, &apart).unwrap();
    assert!(!ptx.contains("fma.rn.f32") && CONTRACTIBLE_FMAD1.ptx.contains("fma.rn.f32"));
}

#[test]
fn a_source_that_is_wrong_is_one_line_with_its_place() {
    let Some(nvrtc) = nvrtc() else { return };
    let wrong = |ptx, text| {
        let module = Module { name: "wrong", source: Source { name: "wrong.cu", text }, ptx };
        compile_with(&nvrtc, &module, &CompileSetting::default()).unwrap_err().to_string()
    };
    let error = wrong("// options: --std=c++17\n", "__device__ int ok;\n__device__ float x = nothing;\n");
    assert!(error.contains("kernels/wrong.cu(2): error") && error.contains("\"nothing\""), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    let error = wrong("// options: --no-such-option\n", "");
    assert!(error.contains("kernels/wrong.cu") && error.contains("no-such-option"), "{error}");
    let error = wrong("\n// options: --std=c++17\n", "");
    assert!(error.contains("kernels/ptx/wrong.ptx does not say"), "{error}");
}
