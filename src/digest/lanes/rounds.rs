//! The 64 steps of MD5 (RFC 1321 §3.4), for whatever the words are vectors of.

/// Added in each step: `floor(2^32 * abs(sin(step + 1)))`.
#[rustfmt::skip]
static SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

/// [`SINES`], without the compiler knowing what they are. It adds a constant last of all summands, after what the step before has
/// made, and so makes each step wait an instruction longer: a quarter of MD5's time (docs/adr/0014).
pub(super) fn sines() -> [u32; 64] {
    *std::hint::black_box(&SINES)
}

/// Runs the steps on `$a $b $c $d`. `$step!(function, a, b, c, d, word, sine, rotation)` is one of them.
macro_rules! rounds {
    ($step:ident, $m:ident, $a:ident, $b:ident, $c:ident, $d:ident) => {
        rounds!(@four $step $m f [7 12 17 22] $a $b $c $d
            [0 1 2 3 0 1 2 3] [4 5 6 7 4 5 6 7] [8 9 10 11 8 9 10 11] [12 13 14 15 12 13 14 15]);
        rounds!(@four $step $m g [5 9 14 20] $a $b $c $d
            [1 6 11 0 16 17 18 19] [5 10 15 4 20 21 22 23] [9 14 3 8 24 25 26 27] [13 2 7 12 28 29 30 31]);
        rounds!(@four $step $m h [4 11 16 23] $a $b $c $d
            [5 8 11 14 32 33 34 35] [1 4 7 10 36 37 38 39] [13 0 3 6 40 41 42 43] [9 12 15 2 44 45 46 47]);
        rounds!(@four $step $m i [6 10 15 21] $a $b $c $d
            [0 7 14 5 48 49 50 51] [12 3 10 1 52 53 54 55] [8 15 6 13 56 57 58 59] [4 11 2 9 60 61 62 63]);
    };
    (@four $step:ident $m:ident $function:ident $shifts:tt $a:ident $b:ident $c:ident $d:ident $($row:tt)*) => {
        $( rounds!(@row $step $m $function $shifts $a $b $c $d $row); )*
    };
    (@row $step:ident $m:ident $function:ident [$s0:literal $s1:literal $s2:literal $s3:literal] $a:ident $b:ident $c:ident $d:ident
        [$w0:literal $w1:literal $w2:literal $w3:literal $k0:literal $k1:literal $k2:literal $k3:literal]) => {
        $step!($function, $a, $b, $c, $d, $m[$w0], $k0, $s0);
        $step!($function, $d, $a, $b, $c, $m[$w1], $k1, $s1);
        $step!($function, $c, $d, $a, $b, $m[$w2], $k2, $s2);
        $step!($function, $b, $c, $d, $a, $m[$w3], $k3, $s3);
    };
}

pub(super) use rounds;

#[test]
fn the_sines_are_what_the_standard_says() {
    for (step, sine) in (1_u32..).zip(SINES) {
        assert_eq!(sine, (f64::from(step).sin().abs() * 4_294_967_296.0) as u32, "step {step}");
    }
}
