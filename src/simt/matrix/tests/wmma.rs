//! `wmma`: matrices in memory, loaded, multiplied and stored, are the plain product in every layout.

use super::super::WmmaAccess;
use super::*;
use crate::simt::ptx::ast::Space;

fn access(name: &str) -> WmmaAccess {
    WmmaAccess::decode(&words(name)[1..]).unwrap()
}

/// A matrix in memory: its lines are `stride` elements apart.
struct Memory {
    bytes: Vec<u8>,
    columns: bool,
    stride: usize,
    width: usize,
}

impl Memory {
    fn new(rows: usize, columns: usize, layout: &str, gap: usize, ty: &str) -> Self {
        let (lines, line) = if layout == "col" { (columns, rows) } else { (rows, columns) };
        let (stride, width) = (line + gap, bits(ty) as usize);
        Self {
            bytes: vec![0xa5; (lines * stride * width).div_ceil(8)],
            columns: layout == "col",
            stride,
            width,
        }
    }

    fn bit(&self, row: usize, column: usize) -> usize {
        let (line, position) = if self.columns { (column, row) } else { (row, column) };
        (line * self.stride + position) * self.width
    }

    fn set(&mut self, row: usize, column: usize, value: u64) {
        for i in 0..self.width {
            let at = self.bit(row, column) + i;
            self.bytes[at / 8] &= !(1 << (at % 8));
            self.bytes[at / 8] |= ((value >> i & 1) as u8) << (at % 8);
        }
    }

    fn get(&self, row: usize, column: usize) -> u64 {
        let bit = |i| {
            u64::from(self.bytes[(self.bit(row, column) + i) / 8] >> ((self.bit(row, column) + i) % 8) & 1)
        };
        (0..self.width).map(|i| bit(i) << i).sum()
    }

    fn load(&self, access: &WmmaAccess) -> Vec<Fragment> {
        let mut fragments = fragments(access.registers());
        let mut covered = fragments.clone();
        for piece in access.pieces(self.stride as u64).unwrap() {
            let (start, bytes) = (piece.offset as usize, piece.bits as usize / 8);
            assert_eq!(start % bytes.min(self.width.max(8) / 8), 0);
            let mut word = [0; 8];
            word[..bytes].copy_from_slice(&self.bytes[start..start + bytes]);
            fragments[piece.register][piece.lane] |= u64::from_le_bytes(word) << piece.shift;
            covered[piece.register][piece.lane] += u64::from(piece.bits);
        }
        let width = if access.registers().ty == Type::F64 { 64 } else { 32 };
        assert!(covered.iter().flatten().all(|bits| *bits == width), "registers are filled once");
        fragments
    }

    fn store(&mut self, access: &WmmaAccess, fragments: &[Fragment]) {
        for piece in access.pieces(self.stride as u64).unwrap() {
            let (start, bytes) = (piece.offset as usize, piece.bits as usize / 8);
            let word = (fragments[piece.register][piece.lane] >> piece.shift).to_le_bytes();
            self.bytes[start..start + bytes].copy_from_slice(&word[..bytes]);
        }
    }
}

/// Loads, multiplies and stores; compares with the plain product.
fn check(shape: (usize, usize, usize), [d_type, a_type, b_type, c_type]: [&str; 4], layouts: [&str; 3]) {
    let (m, n, k) = shape;
    let size = format!("m{m}n{n}k{k}");
    let [a_layout, b_layout, sum_layout] = layouts;
    let gap = 8 * 8 / bits(a_type).min(8) as usize;
    let fill = |rows: usize, columns: usize, layout: &str, ty: &str, values: &[i64]| {
        let mut memory = Memory::new(rows, columns, layout, gap, ty);
        for (i, value) in values.iter().enumerate() {
            memory.set(i / columns, i % columns, encode(ty, *value));
        }
        memory
    };
    let a = integers(m * k, 1, range(a_type));
    let b = integers(k * n, 2, range(b_type));
    let c = integers(m * n, 3, (-99, 99));
    let load = |role: &str, layout: &str, space: &str, ty: &str, memory: &Memory| {
        memory.load(&access(&format!("wmma.load.{role}.sync.aligned.{layout}.{size}{space}.{ty}")))
    };
    let a_fragments = load("a", a_layout, "", a_type, &fill(m, k, a_layout, a_type, &a));
    let b_fragments = load("b", b_layout, ".global", b_type, &fill(k, n, b_layout, b_type, &b));
    let c_fragments = load("c", sum_layout, ".shared", c_type, &fill(m, n, sum_layout, c_type, &c));
    let types = match a_type {
        "f16" => format!("{d_type}.{c_type}"),
        _ => format!("{d_type}.{a_type}.{b_type}.{c_type}"),
    };
    let name = match a_type {
        "b1" => format!("wmma.mma.and.popc.sync.aligned.{a_layout}.{b_layout}.{size}.{types}"),
        _ => format!("wmma.mma.sync.aligned.{a_layout}.{b_layout}.{size}.{types}"),
    };
    let mma = product(&name);
    let mut d_fragments = fragments(mma.registers().d);
    mma.execute(&a_fragments, &b_fragments, &c_fragments, &mut d_fragments);
    let store = access(&format!("wmma.store.d.sync.aligned.{sum_layout}.{size}.{d_type}"));
    assert!(store.is_store());
    assert_eq!(store.registers(), mma.registers().d);
    let mut d = Memory::new(m, n, sum_layout, gap, d_type);
    d.store(&store, &d_fragments);
    for (i, expected) in plain(&a, &b, &c, shape).into_iter().enumerate() {
        assert_eq!(d.get(i / n, i % n), encode(d_type, expected), "{name} at {i}");
    }
    // The gaps between lines are left alone.
    let mut untouched = Memory::new(m, n, sum_layout, gap, d_type);
    untouched.bytes.fill(0xa5);
    let last = if sum_layout == "col" { m } else { n };
    let after =
        |memory: &Memory| memory.bytes[last * memory.width / 8..][..gap.min(8) * memory.width / 8].to_vec();
    assert_eq!(after(&d), after(&untouched));
}

#[test]
fn loaded_multiplied_and_stored_is_the_plain_product() {
    let wide = [(16, 16, 16), (8, 32, 16), (32, 8, 16)];
    let layouts =
        [["row", "col", "row"], ["col", "row", "col"], ["row", "row", "col"], ["col", "col", "row"]];
    for layouts in layouts {
        for shape in wide {
            for (d, c) in [("f16", "f16"), ("f32", "f32"), ("f16", "f32"), ("f32", "f16")] {
                check(shape, [d, "f16", "f16", c], layouts);
            }
            check(shape, ["f32", "bf16", "bf16", "f32"], layouts);
            check(shape, ["s32", "s8", "s8", "s32"], layouts);
            check(shape, ["s32", "u8", "u8", "s32"], layouts);
        }
        check((16, 16, 8), ["f32", "tf32", "tf32", "f32"], layouts);
        check((8, 8, 4), ["f64"; 4], layouts);
    }
    for sum_layout in ["row", "col"] {
        let layouts = ["row", "col", sum_layout];
        check((8, 8, 32), ["s32", "s4", "s4", "s32"], layouts);
        check((8, 8, 32), ["s32", "u4", "u4", "s32"], layouts);
        check((8, 8, 128), ["s32", "b1", "b1", "s32"], layouts);
    }
}

#[test]
fn registers_are_those_of_the_isa() {
    for (name, expected) in [
        ("wmma.load.a.sync.aligned.row.m16n16k16.f16", list(8, Type::F16x2)),
        ("wmma.load.b.sync.aligned.row.m32n8k16.f16", list(8, Type::F16x2)),
        ("wmma.load.a.sync.aligned.row.m8n32k16.bf16", list(2, Type::B32)),
        ("wmma.load.b.sync.aligned.row.m8n32k16.bf16", list(8, Type::B32)),
        ("wmma.load.a.sync.aligned.row.m16n16k16.s8", list(2, Type::B32)),
        ("wmma.load.a.sync.aligned.row.m32n8k16.u8", list(4, Type::B32)),
        ("wmma.load.b.sync.aligned.col.m32n8k16.u8", list(1, Type::B32)),
        ("wmma.load.a.sync.aligned.row.m16n16k8.tf32", list(4, Type::B32)),
        ("wmma.load.a.sync.aligned.row.m8n8k4.f64", list(1, Type::F64)),
        ("wmma.load.c.sync.aligned.row.m8n8k4.f64", list(2, Type::F64)),
        ("wmma.load.a.sync.aligned.row.m8n8k128.b1", list(1, Type::B32)),
        ("wmma.load.c.sync.aligned.row.m16n16k16.f16", list(4, Type::F16x2)),
        ("wmma.store.d.sync.aligned.row.m16n16k16.f32", list(8, Type::F32)),
        ("wmma.store.d.sync.aligned.col.m8n8k32.s32", list(2, Type::S32)),
    ] {
        assert_eq!(access(name).registers(), expected, "{name}");
    }
}

#[test]
fn strides_and_spaces() {
    let load = access("wmma.load.a.sync.aligned.col.m8n32k16.shared::cta.f16");
    assert_eq!((load.space(), load.default_stride()), (Some(Space::Shared), 8));
    assert!(load.pieces(8).is_ok());
    assert!(load.pieces(7).is_err());
    assert!(load.pieces(u64::MAX / 16).is_err());
    assert!(load.pieces(u64::MAX).is_err());
    let bits = access("wmma.load.b.sync.aligned.col.m8n8k128.b1");
    assert_eq!((bits.space(), bits.default_stride()), (None, 128));
    assert!(bits.pieces(129).is_err());
}
