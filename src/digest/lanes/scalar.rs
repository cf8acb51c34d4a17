//! MD5 of one stream. Its steps wait for each other, so that its speed is the number of instructions on the way from a step to
//! the next: 4 or 5, where the compiler is kept from putting the sine on that way, too ([`sines`]).

use super::{
    Block, Chain,
    rounds::{rounds, sines},
};

/// Adds blocks to a stream.
pub(crate) fn compress(chain: &mut Chain, blocks: &[Block]) {
    let sines = sines();
    let [mut a, mut b, mut c, mut d] = *chain;
    for block in blocks {
        let (words, _) = block.as_chunks();
        let m: [u32; 16] = std::array::from_fn(|word| u32::from_le_bytes(words[word]));
        let start = (a, b, c, d);
        // Each time what `$b` is not needed for comes first: `$b` is what the step before has just made.
        macro_rules! step {
            ($function:ident, $a:ident, $b:ident, $c:ident, $d:ident, $word:expr, $sine:literal, $shift:literal) => {
                let sum = $a.wrapping_add($word.wrapping_add(sines[$sine]));
                $a = step!($function, sum, $b, $c, $d).rotate_left($shift).wrapping_add($b);
            };
            (f, $sum:ident, $b:ident, $c:ident, $d:ident) => {
                $sum.wrapping_add((($c ^ $d) & $b) ^ $d)
            };
            // No bit is in both terms, so their sum is what the standard has `or` for.
            (g, $sum:ident, $b:ident, $c:ident, $d:ident) => {
                $sum.wrapping_add($c & !$d).wrapping_add($b & $d)
            };
            (h, $sum:ident, $b:ident, $c:ident, $d:ident) => {
                $sum.wrapping_add(($c ^ $d) ^ $b)
            };
            (i, $sum:ident, $b:ident, $c:ident, $d:ident) => {
                $sum.wrapping_add(($b | !$d) ^ $c)
            };
        }
        rounds!(step, m, a, b, c, d);
        a = a.wrapping_add(start.0);
        b = b.wrapping_add(start.1);
        c = c.wrapping_add(start.2);
        d = d.wrapping_add(start.3);
    }
    *chain = [a, b, c, d];
}
