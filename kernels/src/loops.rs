//! Plain loops, compiled once more for wider registers than every processor has.

use crate::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::isa::Set;

/// Loops over slices, simple enough that a compiler finds the vector instructions.
pub trait Loops {
    type Result;

    /// To be marked `#[inline(always)]`: only so does it take on the instructions of the function that it ends up in.
    fn run(self) -> Self::Result;
}

/// Runs loops with the instructions of this processor.
pub fn run<L: Loops>(loops: L) -> L::Result {
    Isa::best().run(loops)
}

impl Isa {
    /// Runs loops with these instructions, but none beyond AVX2.
    pub fn run<L: Loops>(self, loops: L) -> L::Result {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
        fn avx2<L: Loops>(loops: L) -> L::Result {
            loops.run()
        }

        #[cfg(target_arch = "x86_64")]
        if self.set() >= Set::Avx2 {
            // SAFETY: an `Isa` exists only for instructions that this processor has, and the faster ones have these too.
            return unsafe { avx2(loops) };
        }
        loops.run()
    }
}

/// Makes of a function over slices one that runs as [`Loops`].
///
/// ```
/// caesar_kernels::loops! {
///     /// The largest magnitude.
///     pub fn largest(numbers: &[i32]) -> u32 {
///         numbers.iter().fold(0, |m, n| m.max(n.unsigned_abs()))
///     }
/// }
/// assert_eq!(largest(&[1, -3, 2]), 3);
/// ```
#[macro_export]
macro_rules! loops {
    (
        $(#[$attribute:meta])*
        $visible:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block
    ) => {
        $(#[$attribute])*
        $visible fn $name($($argument: $type),*) $(-> $result)? {
            struct Work<A>(A);

            impl $crate::Loops for Work<($($type,)*)> {
                type Result = $crate::loops!(@result $($result)?);

                #[inline(always)]
                fn run(self) -> Self::Result {
                    let Work(($($argument,)*)) = self;
                    $body
                }
            }

            $crate::run(Work(($($argument,)*)))
        }
    };
    (@result) => { () };
    (@result $result:ty) => { $result };
}
