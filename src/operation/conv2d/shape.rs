//! Shapes of a convolution: `n=…;c=…;h=…;w=…;k=…;r=…;s=…`, then `;stride=…` where it is not 1 and `;pad=…` where
//! it is not 0.

use crate::error::{Error, Result};
use crate::operation::matmul::shape::Extents as Product;
use crate::workload::Shape;

/// The largest extent.
const MOST: u64 = (1 << 31) - 1;

/// Extents of a convolution of NCHW images with k filters of c×r×s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extents {
    /// Images.
    pub n: u64,
    /// Channels of an image.
    pub c: u64,
    /// Its height.
    pub h: u64,
    /// Its width.
    pub w: u64,
    /// Filters, which are the channels of the result.
    pub k: u64,
    /// A filter's height.
    pub r: u64,
    /// A filter's width.
    pub s: u64,
    /// How far a filter moves from one output to the next.
    pub stride: u64,
    /// Zeros around an image, on each side.
    pub pad: u64,
}

impl Extents {
    /// The extents of a shape that [`parse`] made; `None` for any other.
    pub fn of(shape: &Shape) -> Option<Self> {
        let with = |[n, c, h, w, k, r, s]: [u64; 7], stride, pad| Self { n, c, h, w, k, r, s, stride, pad };
        if let Some(all) = shape.extents(["n", "c", "h", "w", "k", "r", "s"]) {
            return Some(with(all, 1, 0));
        }
        if let Some([n, c, h, w, k, r, s, pad]) = shape.extents(["n", "c", "h", "w", "k", "r", "s", "pad"]) {
            return Some(with([n, c, h, w, k, r, s], 1, pad));
        }
        if let Some([n, c, h, w, k, r, s, stride]) =
            shape.extents(["n", "c", "h", "w", "k", "r", "s", "stride"])
        {
            return Some(with([n, c, h, w, k, r, s], stride, 0));
        }
        let all = shape.extents(["n", "c", "h", "w", "k", "r", "s", "stride", "pad"]);
        all.map(|[n, c, h, w, k, r, s, stride, pad]| with([n, c, h, w, k, r, s], stride, pad))
    }

    /// Height and width of the result.
    pub fn output(&self) -> (u64, u64) {
        let along = |extent: u64, filter: u64| (extent + 2 * self.pad - filter) / self.stride + 1;
        (along(self.h, self.r), along(self.w, self.s))
    }

    /// Outputs of one image and filter.
    pub fn places(&self) -> u64 {
        let (height, width) = self.output();
        height * width
    }

    /// Products of one output: a filter's weights.
    pub fn taps(&self) -> u64 {
        self.c * self.r * self.s
    }

    /// Floating-point operations of the forward pass.
    pub fn flops(&self) -> u64 {
        [2, self.n, self.k, self.places(), self.taps()].into_iter().fold(1, u64::saturating_mul)
    }

    /// One image's product: filters by unfolded places.
    pub fn product(&self) -> Product {
        Product { m: self.k, n: self.places(), k: self.taps(), ta: false, tb: false }
    }
}

/// Parses a shape of `operation`.
///
/// # Errors
/// Names the keys that it takes, or what does not fit.
pub fn parse(operation: &str, text: &str) -> Result<Shape> {
    let refused = |why: String| Err(Error::input(format!("shape \"{text}\": {why}")));
    let shape = Shape::parse(text)?;
    let Some(extents) = Extents::of(&shape) else {
        return refused(format!(
            "{operation} takes n=…;c=…;h=…;w=…;k=…;r=…;s=… and then ;stride=… and ;pad=… where they are not 1 and 0"
        ));
    };
    let Extents { n, c, h, w, k, r, s, stride, pad } = extents;
    if [n, c, h, w, k, r, s, stride, pad].iter().any(|extent| *extent > MOST) {
        return refused(format!("{operation} takes extents below 2^31"));
    }
    if stride == 0 || r == 0 || s == 0 {
        return refused("a filter and its stride have at least 1".to_owned());
    }
    if r > h + 2 * pad || s > w + 2 * pad {
        return refused(format!("a filter of {r}×{s} does not fit into {h}×{w} with {pad} zeros around it"));
    }
    Ok(shape)
}

/// The shape in words.
pub fn describe(shape: &Shape) -> String {
    let Some(Extents { n, c, h, w, k, r, s, stride, .. }) = Extents::of(shape) else {
        return format!("convolution of {shape}");
    };
    let stride = if stride == 1 { String::new() } else { format!(", stride {stride}") };
    format!("{r}×{s} convolution of {n}×{c}×{h}×{w}, {k} filters{stride}")
}
