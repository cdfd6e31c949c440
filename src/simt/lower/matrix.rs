//! Matrix instructions: their words go to the matrix room, their operands become slots here.

use crate::simt::fault::Result;
use crate::simt::lower::Lowering;
use crate::simt::lower::names::Scope;
use crate::simt::lower::value::Fit;
use crate::simt::matrix::{MatrixMove, Mma, Move, RegisterList, WmmaAccess};
use crate::simt::program::{Guard, MatrixOp, Op, Slot};
use crate::simt::ptx::ast::{Instruction, Operand, Type};

impl<'a> Lowering<'a> {
    /// `mma`, `wmma`, `ldmatrix`, `stmatrix`, `movmatrix`.
    pub fn matrix(&mut self, guard: Guard, i: &'a Instruction, scope: &mut Scope<'a>) -> Result<()> {
        let place = self.place.clone();
        let wmma_access = i.opcode == "wmma" && i.modifiers.first().is_some_and(|word| word != "mma");
        let op = match (i.opcode.as_str(), &i.operands[..]) {
            ("mma" | "wmma", operands) if !wmma_access => {
                let mma = Mma::decode(&i.opcode, &i.modifiers).map_err(|fault| fault.at(&place))?;
                let [d, a, b, c] = operands else {
                    return Err(self.refuse(format!("{}: expected four operands", i.full_name())));
                };
                let lists = mma.registers();
                let a = self.matrix_sources(scope, a, lists.a)?;
                let b = self.matrix_sources(scope, b, lists.b)?;
                let c = self.matrix_sources(scope, c, lists.c)?;
                let d = self.matrix_targets(scope, d, lists.d)?;
                MatrixOp::Product { mma: Box::new(mma), a, b, c, d }
            }
            ("wmma", [first, second, stride @ ..]) if stride.len() <= 1 => {
                let access = WmmaAccess::decode(&i.modifiers).map_err(|fault| fault.at(&place))?;
                let (registers, address) = if access.is_store() { (second, first) } else { (first, second) };
                let address = self.address(scope, address, access.space())?;
                let stride = match stride.first() {
                    Some(stride) => Some(self.source(scope, stride, Type::B32, Fit::Same)?.slot),
                    None => None,
                };
                if access.is_store() {
                    let from = self.matrix_sources(scope, registers, access.registers())?;
                    MatrixOp::StoreTile { access, address, stride, from }
                } else {
                    let to = self.matrix_targets(scope, registers, access.registers())?;
                    MatrixOp::LoadTile { access, address, stride, to }
                }
            }
            (_, [first, second]) => {
                let moved = MatrixMove::decode(&i.opcode, &i.modifiers).map_err(|fault| fault.at(&place))?;
                let list = RegisterList { count: moved.matrices(), ty: Type::B32 };
                match moved.kind() {
                    Move::Load => {
                        let address = self.address(scope, second, moved.space())?;
                        MatrixOp::LoadRows { moved, address, to: self.matrix_targets(scope, first, list)? }
                    }
                    Move::Store => {
                        let address = self.address(scope, first, moved.space())?;
                        MatrixOp::StoreRows {
                            moved,
                            address,
                            from: self.matrix_sources(scope, second, list)?,
                        }
                    }
                    Move::Transpose => {
                        let from = self.matrix_sources(scope, second, list)?;
                        MatrixOp::Transpose { moved, from, to: self.matrix_targets(scope, first, list)? }
                    }
                }
            }
            _ => return Err(self.refuse(format!("{}: operands that do not fit", i.full_name()))),
        };
        self.push(guard, Op::Matrix(Box::new(op)))
    }

    fn parts(&self, operand: &'a Operand, list: RegisterList) -> Result<&'a [Operand]> {
        let parts = match operand {
            Operand::Vector(parts) => parts,
            one => std::slice::from_ref(one),
        };
        if parts.len() != list.count {
            let (found, RegisterList { count, ty }) = (parts.len(), list);
            return Err(self.refuse(format!("{found} registers where the fragment has {count} of {ty}")));
        }
        Ok(parts)
    }

    fn matrix_sources(
        &mut self,
        scope: &mut Scope<'a>,
        operand: &'a Operand,
        list: RegisterList,
    ) -> Result<Vec<Slot>> {
        let parts = self.parts(operand, list)?;
        parts.iter().map(|part| Ok(self.source(scope, part, list.ty, Fit::Same)?.slot)).collect()
    }

    fn matrix_targets(
        &mut self,
        scope: &mut Scope<'a>,
        operand: &'a Operand,
        list: RegisterList,
    ) -> Result<Vec<Option<Slot>>> {
        let parts = self.parts(operand, list)?;
        let slot = |part| Ok(self.target(scope, part, list.ty, Fit::Same)?.map(|register| register.slot));
        parts.iter().map(slot).collect()
    }
}
