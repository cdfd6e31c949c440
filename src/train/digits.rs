//! The handwritten digits that the network learns (`data/README.md`): unpacked, split, normalised, shifted.

use crate::train::philox::Generator;

/// Pixels in a row, and rows.
const SIDE: usize = 8;
/// Pixels of an image.
pub const PIXELS: usize = SIDE * SIDE;
/// Digits that there are.
pub const CLASSES: usize = 10;

/// What `scripts/pack-digits` made.
const PACKED: &[u8] = include_bytes!("../../data/digits.bin");
/// Bytes of the pixels of a packed image; the digit follows.
const PACKED_PIXELS: usize = PIXELS * 5 / 8;
/// Every so-manieth image is held out.
const HELD_OUT: usize = 5;

/// One image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Row by row, from 0 to 16.
    pub pixels: [u8; PIXELS],
    /// What it shows.
    pub digit: u8,
}

impl Image {
    /// Its columns as rows.
    pub fn transposed(&self) -> Self {
        let pixels = std::array::from_fn(|place| self.pixels[place % SIDE * SIDE + place / SIDE]);
        Self { pixels, digit: self.digit }
    }
}

/// The images in their order, in two parts.
#[derive(Debug)]
pub struct Digits {
    /// What is learnt from.
    pub training: Vec<Image>,
    /// What is only evaluated.
    pub held_out: Vec<Image>,
}

impl Digits {
    /// The images that the program carries.
    pub fn load() -> Self {
        let images = PACKED.chunks_exact(PACKED_PIXELS + 1).map(unpacked).enumerate();
        let (held_out, training): (Vec<_>, Vec<_>) =
            images.partition(|(place, _)| place % HELD_OUT == HELD_OUT - 1);
        let only = |part: Vec<(usize, Image)>| part.into_iter().map(|(_, image)| image).collect();
        Self { training: only(training), held_out: only(held_out) }
    }
}

fn unpacked(bytes: &[u8]) -> Image {
    let pixel = |place: usize| {
        let bit = 5 * place;
        let pair = u16::from(bytes[bit / 8]) | u16::from(bytes[bit / 8 + 1]) << 8;
        (pair >> (bit % 8) & 31) as u8
    };
    Image { pixels: std::array::from_fn(pixel), digit: bytes[PACKED_PIXELS] }
}

/// What pixels are normalised with. A checkpoint must hold it: other images have other constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalisation {
    /// Taken away from every pixel.
    pub mean: f32,
    /// What the difference is divided by.
    pub deviation: f32,
}

impl Normalisation {
    /// Mean and standard deviation of all pixels of `images`. Sums of integers are exact; each later step rounds once.
    pub fn of(images: &[Image]) -> Self {
        let pixels = || images.iter().flat_map(|image| image.pixels.map(u64::from));
        let count = (images.len() * PIXELS).max(1) as f64;
        let mean = pixels().sum::<u64>() as f64 / count;
        let square = pixels().map(|pixel| pixel * pixel).sum::<u64>() as f64 / count;
        Self { mean: mean as f32, deviation: (square - mean * mean).sqrt() as f32 }
    }

    /// The pixels of images, one after the other, as the network takes them.
    pub fn apply<'a>(self, images: impl IntoIterator<Item = &'a Image>) -> Vec<f32> {
        let pixels = images.into_iter().flat_map(|image| &image.pixels);
        pixels.map(|pixel| (f32::from(*pixel) - self.mean) / self.deviation).collect()
    }
}

/// The augmentation: of eight images, four are moved by one pixel, one to each side; what comes in is empty.
pub fn augmented(images: &[&Image], generator: &mut Generator) -> Vec<Image> {
    let words = generator.words(images.len());
    images.iter().zip(words).map(|(image, word)| shifted(image, word >> 29)).collect()
}

fn shifted(image: &Image, side: u32) -> Image {
    let (down, right) = match side {
        0 => (1, 0),
        1 => (-1, 0),
        2 => (0, 1),
        3 => (0, -1),
        _ => (0, 0),
    };
    let pixel = |place: usize| {
        let from = |at: usize, by: isize| at.checked_add_signed(-by).filter(|at| *at < SIDE);
        let (row, column) = (from(place / SIDE, down), from(place % SIDE, right));
        row.zip(column).map_or(0, |(row, column)| image.pixels[row * SIDE + column])
    };
    Image { pixels: std::array::from_fn(pixel), digit: image.digit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_images_are_those_of_uci() {
        let digits = Digits::load();
        assert_eq!((digits.training.len(), digits.held_out.len()), (1438, 359));
        // The first image of the file, as scikit-learn's csv has it.
        let first = &digits.training[0];
        assert_eq!(
            (first.digit, &first.pixels[..16]),
            (0, &[0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0][..])
        );
        let mut counts = [0; CLASSES];
        for image in digits.training.iter().chain(&digits.held_out) {
            assert!(image.pixels.iter().all(|pixel| *pixel <= 16));
            counts[usize::from(image.digit)] += 1;
        }
        // As `sklearn.datasets.load_digits` counts them.
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    }

    #[test]
    fn normalised_pixels_have_mean_0_and_deviation_1() {
        let images = Digits::load().training;
        let pixels = Normalisation::of(&images).apply(&images);
        let mean = pixels.iter().map(|p| f64::from(*p)).sum::<f64>() / pixels.len() as f64;
        let square = pixels.iter().map(|p| f64::from(p * p)).sum::<f64>() / pixels.len() as f64;
        assert!(mean.abs() < 1e-5 && (square - 1.0).abs() < 1e-5, "{mean} {square}");
    }

    #[test]
    fn a_shift_moves_every_pixel_by_one() {
        let image = Image { pixels: std::array::from_fn(|place| place as u8), digit: 3 };
        let [down, up, right, left, still] = [0, 1, 2, 3, 4].map(|side| shifted(&image, side).pixels);
        assert_eq!((&down[..9], &up[..2]), (&[0, 0, 0, 0, 0, 0, 0, 0, 0][..], &[8, 9][..]));
        assert_eq!((down[9], up[63], right[0], right[1], left[0], left[7]), (1, 0, 0, 0, 1, 0));
        assert_eq!(still, image.pixels);
        let turned = image.transposed();
        assert_eq!((turned.pixels[1], turned.pixels[8], &turned.transposed()), (8, 1, &image));
    }
}
