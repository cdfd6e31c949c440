//! What opens, and what is refused in one line.

use std::fs::{create_dir, write};
use std::path::Path;

use tempfile::TempDir;

use super::fixture::{f32s, raw, write as save};
use super::*;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A file with that header and so many bytes behind it.
fn file(folder: &Path, header: &str, data: usize) -> PathBuf {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(vec![0; data]);
    let path = folder.join("file.safetensors");
    write(&path, bytes).unwrap();
    path
}

fn refusal(path: &Path) -> String {
    let error = Checkpoint::open(path).unwrap_err().to_string();
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.chars().count() < 600 && !error.chars().any(char::is_control), "{error}");
    error
}

/// Each header with its data must be refused with those words.
fn refuses(cases: &[(&str, usize, &str)]) {
    let folder = folder();
    for (header, data, said) in cases {
        let error = refusal(&file(folder.path(), header, *data));
        assert!(error.contains(said), "{header}: {error}");
    }
}

#[test]
fn tensors_are_found_by_name_with_their_bytes() {
    let folder = folder();
    let path = folder.path().join("model.safetensors");
    let metadata = [(CAPTURE.to_owned(), "1".to_owned())].into();
    let tensors =
        [f32s("b", &[2], [1.0, 2.0]), raw("a", Element::BOOL, &[], vec![1]), f32s("c", &[0, 3], [])];
    let opened = Checkpoint::open(&save(&path, &tensors, Some(metadata))).unwrap();
    let names: Vec<&str> = opened.tensors().map(|tensor| tensor.name).collect();
    assert_eq!((names, opened.len(), opened.bytes()), (vec!["a", "b", "c"], 3, 9));
    assert!(opened.is_capture() && !opened.is_empty());
    let b = opened.get("b").unwrap();
    assert_eq!((b.element, b.shape, b.elements()), (Element::F32, &[2][..], 2));
    assert_eq!(b.bytes, [1f32.to_le_bytes(), 2f32.to_le_bytes()].concat());
    assert_eq!((opened.get("a").unwrap().elements(), opened.get("c").unwrap().elements()), (1, 0));
    assert!(opened.get("d").is_none());
}

#[test]
fn lying_headers_are_refused() {
    refuses(&[
        ("", 0, "corrupt"),
        ("{", 0, "corrupt"),
        ("[]", 0, "corrupt"),
        ("{\"a\":1}", 0, "corrupt"),
        (r#"{"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}"#, 4, "F99"),
        (r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4, "corrupt"),
        (r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}"#, 4, "corrupt"),
        (r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4, "takes 4 bytes, and f32 [2] need 8"),
        (r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 4, "before it begins"),
        (r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, 8, "4 bytes in front of tensor \"a\""),
        (r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 5, "1 bytes belong to no tensor"),
        (r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 3, "truncated"),
        (
            r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}"#,
            4,
            "more elements than can be counted",
        ),
        (r#"{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}}"#, 2, "takes 2 bytes, and f4 [3] need 2"),
        (
            r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[18446744073709551614,18446744073709551615]}}"#,
            1,
            "behind the end",
        ),
        (
            r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}"#,
            3,
            "\"a\" and \"b\" overlap",
        ),
        (
            r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#,
            2,
            "the key \"a\" stands in it twice",
        ),
        (r#"{"__metadata__":{"a":"1","a":"2"}}"#, 0, "the key \"a\" stands in it twice"),
        (r#"{"__metadata__":{"a":1}}"#, 0, "corrupt"),
        (r#"{"__metadata__":{},"__metadata__":{}}"#, 0, "twice"),
    ]);
}

#[test]
fn hostile_names_neither_reach_the_terminal_nor_make_long_lines() {
    let name = format!("\\u001b[2J{}", "x".repeat(100_000));
    let header = format!(r#"{{"{name}":{{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}}}"#);
    refuses(&[(&header, 4, r"\u{1b}[2Jxx"), (&format!("{{\"a\":\"{name}\"}}"), 0, "corrupt")]);
}

#[test]
fn a_length_that_cannot_be_true_takes_no_memory() {
    let folder = folder();
    let path = folder.path().join("file.safetensors");
    for (length, said) in [(u64::MAX, "100000000"), (100_000_001, "100000000"), (99_999_999, "truncated")] {
        write(&path, [&length.to_le_bytes()[..], b"{}"].concat()).unwrap();
        assert!(refusal(&path).contains(said), "{length}");
    }
    for length in 1..8 {
        write(&path, vec![0; length]).unwrap();
        assert!(refusal(&path).contains("truncated"), "{length}");
    }
    write(&path, "").unwrap();
    assert!(refusal(&path).contains("empty"));
}

#[test]
fn every_truncation_is_refused() {
    let folder = folder();
    let path = save(&folder.path().join("model.safetensors"), &[f32s("a", &[3], [1.0; 3])], None);
    let whole = std::fs::read(&path).unwrap();
    for end in 0..whole.len() {
        write(&path, &whole[..end]).unwrap();
        refusal(&path);
    }
}

#[test]
fn other_formats_are_known_by_their_first_bytes_and_explained() {
    let folder = folder();
    let zip = |name: &str| {
        let mut bytes = b"PK\x03\x04".to_vec();
        bytes.resize(26, 0);
        bytes.extend((name.len() as u16).to_le_bytes());
        bytes.extend([0, 0]);
        bytes.extend(name.as_bytes());
        bytes
    };
    let pickle = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.".to_vec();
    let cases = [
        ("model.pt", zip("archive/data.pkl"), "safetensors.torch.save_file"),
        ("renamed.safetensors", zip("archive/data.pkl"), "zip archive"),
        ("model.pth", pickle.clone(), "a pickle"),
        ("renamed2.safetensors", pickle, "a pickle"),
        ("model.bin", b"something else".to_vec(), "by its name one of PyTorch"),
        ("arrays.npz", zip("a.npy"), "safetensors.numpy.save_file"),
        ("array.npy", b"\x93NUMPY\x01\x00".to_vec(), "numpy.load"),
        ("model.gguf", b"GGUF\x03\x00\x00\x00".to_vec(), "GGUF"),
        ("model.h5", b"\x89HDF\r\n\x1a\n".to_vec(), "HDF5"),
        ("pointer.safetensors", b"version https://git-lfs.github.com/spec/v1\n".to_vec(), "git lfs pull"),
    ];
    for (name, bytes, said) in cases {
        let path = folder.path().join(name);
        write(&path, bytes).unwrap();
        assert!(refusal(&path).contains(said), "{name}: {}", refusal(&path));
    }
}

#[test]
fn a_header_whose_length_looks_like_another_format_is_read() {
    let folder = folder();
    // 640 = 0x280, which begins as a pickle of version 2 does.
    let path = file(
        folder.path(),
        &format!("{:<640}", r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#),
        1,
    );
    assert_eq!(Checkpoint::open(&path).unwrap().len(), 1);
}

#[test]
fn what_is_no_file_is_refused_without_waiting() {
    let folder = folder();
    assert!(refusal(&folder.path().join("none")).contains("cannot open"));
    assert!(refusal(Path::new("/dev/null")).contains("no regular file"));
    assert!(refusal(folder.path()).contains("a folder without weights"));
    write(folder.path().join("model.pt"), "x").unwrap();
    assert!(refusal(folder.path()).contains("model.pt is of another format"));
}

/// Two shards and an index with that map.
fn sharded(folder: &Path, map: &str) -> PathBuf {
    save(&folder.join("m-1.safetensors"), &[f32s("a", &[1], [1.0])], None);
    save(&folder.join("m-2.safetensors"), &[f32s("b", &[1], [2.0]), f32s("c", &[1], [3.0])], None);
    let path = folder.join("model.safetensors.index.json");
    write(&path, format!(r#"{{"metadata":{{"total_size":12}},"weight_map":{map}}}"#)).unwrap();
    path
}

#[test]
fn shards_are_one_checkpoint_by_index_and_by_folder() {
    let folder = folder();
    let map = r#"{"a":"m-1.safetensors","b":"m-2.safetensors","c":"m-2.safetensors"}"#;
    let index = sharded(folder.path(), map);
    for path in [&index, folder.path()] {
        let opened = Checkpoint::open(path).unwrap();
        assert_eq!((opened.len(), opened.files().count()), (3, 2));
        assert_eq!(opened.get("c").unwrap().bytes, 3f32.to_le_bytes());
    }
    std::fs::remove_file(&index).unwrap();
    assert_eq!(Checkpoint::open(folder.path()).unwrap().len(), 3, "without an index, all files");
    write(folder.path().join("one.safetensors.index.json"), "").unwrap();
    write(folder.path().join("two.safetensors.index.json"), "").unwrap();
    assert!(refusal(folder.path()).contains("2 indices"));
}

#[test]
fn indices_that_contradict_their_shards_are_refused() {
    let folder = folder();
    let cases = [
        (r#"{"a":"m-2.safetensors"}"#, "tensor \"a\" is in \"m-2.safetensors\", and it is not"),
        (r#"{"a":"m-3.safetensors"}"#, "is not there"),
        (r#"{"a":"../m-1.safetensors"}"#, "does not lie beside it"),
        (r#"{"a":"/m-1.safetensors"}"#, "does not lie beside it"),
        (r#"{"a":""}"#, "does not lie beside it"),
        (r#"{"a":"m-1.safetensors","a":"m-2.safetensors"}"#, "twice"),
        ("{}", "names no tensor"),
        ("[]", "corrupt"),
        (r#"{"a":1}"#, "corrupt"),
    ];
    for (map, said) in cases {
        let error = refusal(&sharded(folder.path(), map));
        assert!(error.contains(said), "{map}: {error}");
    }
    let index = sharded(folder.path(), "{}");
    write(&index, "{}").unwrap();
    assert!(refusal(&index).contains("weight_map"));
}

#[test]
fn a_tensor_in_two_files_is_refused_with_both_names() {
    let folder = folder();
    create_dir(folder.path().join("sub")).unwrap();
    save(&folder.path().join("x.safetensors"), &[f32s("a", &[1], [1.0])], None);
    save(&folder.path().join("y.safetensors"), &[f32s("a", &[1], [1.0])], None);
    let error = refusal(folder.path());
    assert!(error.contains("x.safetensors") && error.contains("y.safetensors"), "{error}");
}
