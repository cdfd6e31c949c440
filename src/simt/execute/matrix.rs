//! Matrix instructions: they wait until all lanes of the warp came, then move fragments between registers,
//! memory and the matrix room.

use crate::simt::execute::access::{Spaces, addresses};
use crate::simt::execute::observe::{Observer, Piece};
use crate::simt::execute::step::{BlockSide, Shared};
use crate::simt::execute::warp::{LANES, Registers, Wait, Warp};
use crate::simt::fault::{Fault, FaultKind, Result};
use crate::simt::matrix::{Fragment, WmmaAccess};
use crate::simt::program::{Address, MatrixOp, Slot};
use crate::simt::ptx::ast::Space;

/// What is wrong, and the lane to blame.
type Blamed<T> = std::result::Result<T, (Fault, usize)>;

impl<O: Observer> Shared<'_, O> {
    /// Lanes come to a matrix instruction, which is `.aligned`: all lanes of the warp execute it.
    pub fn matrix(
        &mut self,
        warp: &mut Warp,
        block: &mut BlockSide,
        op: &MatrixOp,
        pc: u32,
        mask: u32,
    ) -> Result<()> {
        let here = mask | warp.take(|fragment| fragment.wait == Wait::Matrix && fragment.pc == pc);
        if warp.live != u32::MAX {
            let what = "a matrix instruction in a warp of which not all 32 lanes live";
            let fault = Fault::new(FaultKind::Undefined, what);
            return Err(self.blame(fault, pc, block.index, warp.index, here.trailing_zeros() as usize));
        }
        if here != u32::MAX {
            warp.put_waiting(pc, here, Wait::Matrix);
            return Ok(());
        }
        if O::ACTIVE {
            let at = self.at(warp, block, pc);
            // What cannot be told is refused below.
            if let Ok(pieces) = pieces(&warp.registers, op) {
                self.observer.matrix(&at, op, &pieces);
            }
        }
        let mut spaces = self.spaces(&mut warp.local, block);
        let done = carry_out(&mut warp.registers, &mut spaces, op);
        done.map_err(|(fault, lane)| self.blame(fault, pc, block.index, warp.index, lane))?;
        warp.put(pc + 1, here);
        Ok(())
    }
}

fn carry_out(registers: &mut Registers, spaces: &mut Spaces, op: &MatrixOp) -> Blamed<()> {
    match op {
        MatrixOp::Product { mma, a, b, c, d } => {
            let (a, b, c) = (read(registers, a), read(registers, b), read(registers, c));
            let mut sums = vec![[0; LANES]; d.len()];
            mma.execute(&a, &b, &c, &mut sums);
            write(registers, d, &sums);
        }
        MatrixOp::Transpose { moved, from, to } => {
            let transposed: Vec<_> = read(registers, from).iter().map(|from| moved.transpose(from)).collect();
            write(registers, to, &transposed);
        }
        MatrixOp::LoadRows { moved, address, to } => {
            let addresses = addresses(registers, address);
            let mut rows = Vec::with_capacity(moved.rows());
            for (lane, at) in addresses.into_iter().enumerate().take(moved.rows()) {
                rows.push(load(spaces, address.space, lane, at)?);
            }
            write(registers, to, &moved.distribute(&rows));
        }
        MatrixOp::StoreRows { moved, address, from } => {
            let addresses = addresses(registers, address);
            let rows = moved.collect(&read(registers, from));
            for ((lane, at), row) in addresses.into_iter().enumerate().zip(&rows) {
                store(spaces, address.space, lane, at, row)?;
            }
        }
        MatrixOp::LoadTile { access, address, stride, to } => {
            let (base, stride) = tile(registers, access, address, *stride)?;
            let mut fragments = vec![[0; LANES]; to.len()];
            for piece in access.pieces(stride).map_err(|fault| (fault, 0))? {
                let at = base.wrapping_add(piece.offset);
                let mut bytes = [0; 8];
                let len = piece.bits as usize / 8;
                let loaded = load_bytes(spaces, address.space, piece.lane, at, &mut bytes[..len]);
                loaded.map_err(|fault| (fault, piece.lane))?;
                fragments[piece.register][piece.lane] |= u64::from_le_bytes(bytes) << piece.shift;
            }
            write(registers, to, &fragments);
        }
        MatrixOp::StoreTile { access, address, stride, from } => {
            let (base, stride) = tile(registers, access, address, *stride)?;
            let fragments = read(registers, from);
            for piece in access.pieces(stride).map_err(|fault| (fault, 0))? {
                let at = base.wrapping_add(piece.offset);
                let bytes = (fragments[piece.register][piece.lane] >> piece.shift).to_le_bytes();
                store(spaces, address.space, piece.lane, at, &bytes[..piece.bits as usize / 8])?;
            }
        }
    }
    Ok(())
}

/// What an instruction reads or writes in memory.
fn pieces(registers: &Registers, op: &MatrixOp) -> Blamed<Vec<Piece>> {
    let row = |(lane, address): (usize, u64)| Piece { lane, address, bytes: [0; 16], len: 16 };
    Ok(match op {
        MatrixOp::Product { .. } | MatrixOp::Transpose { .. } => Vec::new(),
        MatrixOp::LoadRows { moved, address, .. } => {
            addresses(registers, address).into_iter().enumerate().take(moved.rows()).map(row).collect()
        }
        MatrixOp::StoreRows { moved, address, from } => {
            let rows = moved.collect(&read(registers, from));
            let places = addresses(registers, address).into_iter().enumerate();
            places.zip(&rows).map(|(place, bytes)| Piece { bytes: *bytes, ..row(place) }).collect()
        }
        MatrixOp::LoadTile { access, address, stride, .. } => {
            let (base, stride) = tile(registers, access, address, *stride)?;
            let of_tile = access.pieces(stride).map_err(|fault| (fault, 0))?.into_iter();
            of_tile
                .map(|piece| {
                    let place = row((piece.lane, base.wrapping_add(piece.offset)));
                    Piece { len: piece.bits as usize / 8, ..place }
                })
                .collect()
        }
        MatrixOp::StoreTile { access, address, stride, from } => {
            let (base, stride) = tile(registers, access, address, *stride)?;
            let fragments = read(registers, from);
            let of_tile = access.pieces(stride).map_err(|fault| (fault, 0))?.into_iter();
            of_tile
                .map(|piece| {
                    let mut bytes = [0; 16];
                    let value = fragments[piece.register][piece.lane] >> piece.shift;
                    bytes[..8].copy_from_slice(&value.to_le_bytes());
                    let place = row((piece.lane, base.wrapping_add(piece.offset)));
                    Piece { bytes, len: piece.bits as usize / 8, ..place }
                })
                .collect()
        }
    })
}

fn read(registers: &Registers, slots: &[Slot]) -> Vec<Fragment> {
    slots.iter().map(|slot| registers.all(*slot)).collect()
}

fn write(registers: &mut Registers, slots: &[Option<Slot>], fragments: &[Fragment]) {
    for (slot, fragment) in slots.iter().zip(fragments) {
        if let Some(slot) = slot {
            registers.set_all(*slot, fragment, u32::MAX);
        }
    }
}

/// Base address and stride of a tile, which must be the same in all lanes (PTX ISA, wmma.load).
fn tile(
    registers: &Registers,
    access: &WmmaAccess,
    address: &Address,
    stride: Option<Slot>,
) -> Blamed<(u64, u64)> {
    let bases = addresses(registers, address);
    let strides = stride.map_or([access.default_stride(); LANES], |slot| registers.all(slot));
    let other = (1..LANES).find(|lane| (bases[*lane], strides[*lane]) != (bases[0], strides[0]));
    match other {
        None => Ok((bases[0], strides[0])),
        Some(lane) => {
            let what = "wmma with an address or a stride that is not the same in all lanes";
            Err((Fault::new(FaultKind::Undefined, what), lane))
        }
    }
}

/// A row of an 8 × 8 matrix.
fn load(spaces: &mut Spaces, space: Option<Space>, lane: usize, address: u64) -> Blamed<[u8; 16]> {
    let mut row = [0; 16];
    load_bytes(spaces, space, lane, address, &mut row).map_err(|fault| (fault, lane))?;
    Ok(row)
}

fn load_bytes(
    spaces: &mut Spaces,
    space: Option<Space>,
    lane: usize,
    address: u64,
    bytes: &mut [u8],
) -> Result<()> {
    const ACCESS: &str = "a matrix load";
    let len = bytes.len();
    if !address.is_multiple_of(len as u64) {
        return Err(spaces.fault(FaultKind::Misaligned, ACCESS, space, address, len));
    }
    match spaces.read(space, lane, address, len) {
        Ok(read) => bytes.copy_from_slice(read),
        Err(kind) => return Err(spaces.fault(kind, ACCESS, space, address, len)),
    }
    Ok(())
}

fn store(spaces: &mut Spaces, space: Option<Space>, lane: usize, address: u64, bytes: &[u8]) -> Blamed<()> {
    const ACCESS: &str = "a matrix store";
    let len = bytes.len();
    let mut fault = None;
    if !address.is_multiple_of(len as u64) {
        fault = Some(FaultKind::Misaligned);
    } else {
        match spaces.write(space, lane, address, len) {
            Ok(place) => place.copy_from_slice(bytes),
            Err(kind) => fault = Some(kind),
        }
    }
    fault.map_or(Ok(()), |kind| Err((spaces.fault(kind, ACCESS, space, address, len), lane)))
}
