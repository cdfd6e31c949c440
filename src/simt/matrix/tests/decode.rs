//! What is refused, by name, and that no words panic.

use proptest::prelude::*;

use super::super::{MatrixMove, WmmaAccess};
use super::*;
use crate::simt::fault::FaultKind;

fn refused(name: &str) -> String {
    let words = words(name);
    let fault = match words[0].as_str() {
        "ldmatrix" | "stmatrix" | "movmatrix" => {
            MatrixMove::decode(&words[0], &words[1..]).map(drop).unwrap_err()
        }
        "wmma" if words[1] != "mma" => WmmaAccess::decode(&words[1..]).map(drop).unwrap_err(),
        _ => Mma::decode(&words[0], &words[1..]).map(drop).unwrap_err(),
    };
    assert_eq!(fault.kind, FaultKind::Unsupported);
    assert!(fault.what.starts_with(&format!("{name} is not supported: ")), "{}", fault.what);
    fault.what
}

#[test]
fn what_is_not_executed_is_refused_by_name() {
    for name in [
        "mma.sp.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32",
        "mma.sp::ordered_metadata.sync.aligned.m16n8k32.row.col.f32.f16.f16.f32",
        "mma.sync.aligned.m16n8k32.row.col.kind::f8f6f4.f32.e4m3.e4m3.f32",
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.bf16.f32",
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f16",
        "mma.sync.aligned.m16n8k16.row.row.f32.f16.f16.f32",
        "mma.sync.aligned.m16n8k16.row.f32.f16.f16.f32",
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16",
        "mma.sync.aligned.m16n8k16.row.col.satfinite.f32.f16.f16.f32",
        "mma.sync.aligned.m16n16k16.row.col.f32.f16.f16.f32",
        "mma.sync.aligned.m8n8k4.row.col.f16.f16.f16.f32",
        "mma.sync.aligned.m8n8k4.row.col.rz.f64.f64.f64.f64",
        "mma.sync.aligned.m8n8k128.row.col.s32.b1.b1.s32",
        "mma.sync.aligned.m8n8k16.row.col.s32.s8.s4.s32",
        "mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32.popc",
        "mma.aligned.m8n8k16.row.col.s32.s8.s8.s32",
        "mma",
        "wmma.mma.sync.aligned.row.col.m16n16k16.f32.f32.satfinite",
        "wmma.mma.sync.aligned.col.row.m8n8k32.s32.s4.s4.s32",
        "wmma.mma.sync.aligned.row.col.m16n16k16.f32",
        "wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16",
        "tcgen05.mma.cta_group::1.kind::f16",
        "wmma.load.a.sync.aligned.row.m16n16k16.f32",
        "wmma.load.c.sync.aligned.row.m16n16k16.s8",
        "wmma.load.a.sync.aligned.col.m8n8k32.s4",
        "wmma.load.b.sync.aligned.row.m8n8k128.b1",
        "wmma.load.d.sync.aligned.row.m16n16k16.f32",
        "wmma.store.d.sync.aligned.row.m16n16k16.local.f32",
        "wmma.store.d.aligned.row.m16n16k16.f32",
        "ldmatrix.sync.aligned.m8n16.x2.shared.b8",
        "ldmatrix.sync.aligned.m16n16.x1.trans.shared.b8",
        "ldmatrix.sync.aligned.m8n8.x3.shared.b16",
        "ldmatrix.sync.aligned.m8n8.x1.x2.shared.b16",
        "ldmatrix.sync.aligned.m8n8.shared.b16",
        "ldmatrix.sync.aligned.x4.shared.b16",
        "stmatrix.sync.aligned.m16n8.x1.trans.shared.b8",
        "movmatrix.sync.aligned.m8n8.b16",
        "movmatrix.sync.aligned.m8n8.x1.trans.b16",
    ] {
        refused(name);
    }
    assert!(
        refused("mma.sync.aligned.m8n8k4.row.col.rz.f64.f64.f64.f64")
            .ends_with("the word .rz is not executed here")
    );
}

#[test]
fn older_spellings_are_known() {
    product("wmma.mma.sync.row.col.m16n16k16.f32.f32");
    product("mma.sync.aligned.m16n8k4.row.col.f64.f64.f64.f64.rn");
    product("wmma.mma.sync.aligned.row.col.m8n8k4.rn.f64.f64.f64.f64");
    product("wmma.mma.xor.popc.sync.aligned.row.col.m8n8k128.s32.b1.b1.s32");
    WmmaAccess::decode(&words("load.a.sync.row.m16n16k16.f16")).unwrap();
}

const WORDS: [&str; 40] = [
    "mma",
    "load",
    "store",
    "a",
    "b",
    "c",
    "d",
    "sync",
    "aligned",
    "row",
    "col",
    "m16n8k16",
    "m8n8k4",
    "m8n8k128",
    "m16n16k16",
    "m0n0k0",
    "m99999999999999999999n1k1",
    "f16",
    "bf16",
    "tf32",
    "f32",
    "f64",
    "s8",
    "u4",
    "b1",
    "s32",
    "e4m3",
    "satfinite",
    "xor",
    "and",
    "popc",
    "rn",
    "m8n8",
    "x4",
    "trans",
    "shared",
    "b16",
    "sp",
    "",
    "мма",
];

proptest! {
    /// Real instructions with a few words replaced, left out or added.
    #[test]
    fn no_words_panic(
        name in prop::sample::select(vec![
            "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32",
            "mma.sync.aligned.m8n8k128.row.col.s32.b1.b1.s32.xor.popc",
            "wmma.mma.sync.aligned.row.col.m16n16k16.f32.f32",
            "wmma.load.a.sync.aligned.row.m16n16k16.f16",
            "wmma.store.d.sync.aligned.row.m16n16k16.shared.f32",
            "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16",
            "movmatrix.sync.aligned.m8n8.trans.b16",
        ]),
        changes in prop::collection::vec((0..12usize, prop::sample::select(WORDS.to_vec()), 0..3), 0..4),
        stride: u64,
    ) {
        let mut words = words(name);
        let opcode = words.remove(0);
        for (at, word, change) in changes {
            let at = at.min(words.len());
            match change {
                0 => words.insert(at, word.to_owned()),
                1 if at < words.len() => drop(words.remove(at)),
                _ => words.iter_mut().skip(at).take(1).for_each(|old| *old = word.to_owned()),
            }
        }
        if let Ok(mma) = Mma::decode(&opcode, &words) {
            let lists = mma.registers();
            prop_assert!(lists.d.count > 0 && lists.a.count > 0 && lists.b.count > 0 && lists.c.count > 0);
            mma.execute(&[], &[], &[], &mut []);
        }
        if let Ok(access) = WmmaAccess::decode(&words) {
            prop_assert!(access.pieces(stride).is_err() || stride >= access.default_stride());
        }
        let _ = MatrixMove::decode(&opcode, &words).map(|moved| moved.collect(&[]));
    }

    /// Any bits in any number of registers.
    #[test]
    fn no_bits_panic(
        name in prop::sample::select(vec![
            "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32",
            "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32",
            "mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16",
            "mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e5m2.f32",
            "mma.sync.aligned.m16n8k32.row.col.satfinite.s32.s8.u8.s32",
            "mma.sync.aligned.m16n8k8.row.col.f64.f64.f64.f64",
        ]),
        bits in prop::collection::vec(any::<u64>(), 96),
    ) {
        let fragment = |start: usize| std::array::from_fn(|lane| bits[start + lane]);
        let mma = product(name);
        let lists = mma.registers();
        let mut d = fragments(lists.d);
        mma.execute(
            &vec![fragment(0); lists.a.count],
            &vec![fragment(32); lists.b.count],
            &vec![fragment(64); lists.c.count],
            &mut d,
        );
        let width = if lists.d.ty == Type::F64 { 64 } else { 32 };
        prop_assert!(d.iter().flatten().all(|word| *word <= u64::MAX >> (64 - width)));
    }
}
