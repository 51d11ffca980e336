//! Function pointers of native kernels, wherever they come from.

use std::{any::Any, collections::BTreeMap, fmt, sync::Arc};

/// The C type of a native kernel; see [`crate::cpu`] for its arguments.
// SAFETY: a pointer type calls nothing; `NativeFn::new` states what its functions must uphold.
pub type RawNativeFn = unsafe extern "C" fn(args: *const *mut u8, block_begin: i64, block_end: i64);

/// Native functions by kernel name.
pub type NativeKernels = BTreeMap<String, NativeFn>;

/// A native kernel, with whatever keeps its code in memory.
#[derive(Clone)]
pub struct NativeFn {
    function: RawNativeFn,
    _code: Arc<dyn Any + Send + Sync>,
}

impl NativeFn {
    /// A function, and the JIT or library that owns its code.
    ///
    /// # Safety
    ///
    /// For as long as `code` lives, `function` must follow the ABI of
    /// [`crate::cpu`], stay within the buffers of the kernels it is used for
    /// (their guard zones included), and allow calls from several threads.
    pub unsafe fn new(function: RawNativeFn, code: Arc<dyn Any + Send + Sync>) -> Self {
        Self {
            function,
            _code: code,
        }
    }

    pub(super) const fn function(&self) -> RawNativeFn {
        self.function
    }
}

impl fmt::Debug for NativeFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NativeFn")
            .field(&(self.function as *const ()))
            .finish()
    }
}
