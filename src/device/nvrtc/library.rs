//! Finds NVRTC and calls it. cudarc's own loader panics where the library is missing, and with a feature of
//! CUDA 12 it knows no name of CUDA 13's.

use std::error::Error as _;
use std::ffi::{CStr, CString, OsString, c_char, c_int};
use std::path::{Path, PathBuf};
use std::ptr;

use libloading::Library;

use crate::device::cuda::first_useful_line;
use crate::device::plan::Source;
use crate::error::{Error, Result};

/// The environment variable that may name the library's file; no other is tried then.
pub const LIBRARY_VARIABLE: &str = "SAMEBITS_NVRTC";

/// The names that the loader is asked for, newest first. Windows and macOS have others: name the file there.
const NAMES: [&str; 3] = ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"];

/// Where the library is looked for.
pub(super) struct Search {
    /// The one file that is tried, if one is given.
    pub(super) file: Option<PathBuf>,
    /// What the loader is asked for otherwise.
    pub(super) names: &'static [&'static str],
}

impl Search {
    pub(super) fn of_environment() -> Self {
        Self::new(std::env::var_os(LIBRARY_VARIABLE))
    }

    pub(super) fn new(file: Option<OsString>) -> Self {
        Self { file: file.filter(|file| !file.is_empty()).map(PathBuf::from), names: &NAMES }
    }

    /// Opens the first library that is there. The error is one line with the remedy.
    pub(super) fn open(&self) -> std::result::Result<Nvrtc, String> {
        if let Some(file) = &self.file {
            let builtins = open_builtins(file);
            return open(file).and_then(|library| Nvrtc::new(library, builtins)).map_err(|cause| {
                let file = file.display();
                format!(
                    "{LIBRARY_VARIABLE}={file} is no NVRTC ({cause}): let it name a file like {}",
                    NAMES[1]
                )
            });
        }
        for name in self.names {
            if let Ok(library) = open(Path::new(name)) {
                return Nvrtc::new(library, Vec::new()).map_err(|error| format!("{name}: {error}"));
            }
        }
        Err(format!(
            "NVRTC was not found (tried {}): put it on the loader's path (LD_LIBRARY_PATH), or its file's path \
             into {LIBRARY_VARIABLE}; `pip install nvidia-cuda-nvrtc` brings it",
            self.names.join(", ")
        ))
    }
}

fn open(file: &Path) -> std::result::Result<Library, String> {
    // SAFETY: loads NVIDIA's compiler, as any program that uses it does; whoever sets the variable or the
    // loader's path vouches for what is there.
    let library = unsafe { Library::new(file) };
    // The error itself only says what failed, its source why.
    library.map_err(|error| error.source().map_or_else(|| error.to_string(), ToString::to_string))
}

/// NVRTC's other half, from the same folder: NVRTC asks for it by bare name, and not every build of it tells
/// the loader to look beside itself; what is loaded already is found. What does not open is left to NVRTC to
/// report.
fn open_builtins(file: &Path) -> Vec<Library> {
    let Some(entries) = file.parent().and_then(|folder| folder.read_dir().ok()) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let builtins = paths.filter(|path| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with("libnvrtc-builtins.so.")
    });
    builtins.filter_map(|path| open(&path).ok()).collect()
}

/// An `nvrtcProgram`.
type Handle = *mut std::ffi::c_void;
/// An `nvrtcResult`: 0 is success.
type Code = c_int;
type Create = unsafe extern "C" fn(
    *mut Handle,
    *const c_char,
    *const c_char,
    c_int,
    *const *const c_char,
    *const *const c_char,
) -> Code;
type GetSize = unsafe extern "C" fn(Handle, *mut usize) -> Code;
type GetText = unsafe extern "C" fn(Handle, *mut c_char) -> Code;

/// The library. It is thread-safe as long as no two threads use one program, and programs do not leave
/// [`Nvrtc::compile`].
pub(super) struct Nvrtc {
    version: unsafe extern "C" fn(*mut c_int, *mut c_int) -> Code,
    create_program: Create,
    compile_program: unsafe extern "C" fn(Handle, c_int, *const *const c_char) -> Code,
    ptx_size: GetSize,
    ptx: GetText,
    log_size: GetSize,
    log: GetText,
    destroy_program: unsafe extern "C" fn(*mut Handle) -> Code,
    error_string: unsafe extern "C" fn(Code) -> *const c_char,
    // Kept, since the functions above are theirs.
    _library: Library,
    _builtins: Vec<Library>,
}

impl Nvrtc {
    fn new(library: Library, builtins: Vec<Library>) -> std::result::Result<Self, String> {
        // SAFETY: the types are those of nvrtc.h, the same in CUDA 12 and 13.
        unsafe {
            Ok(Self {
                version: function(&library, "nvrtcVersion")?,
                create_program: function(&library, "nvrtcCreateProgram")?,
                compile_program: function(&library, "nvrtcCompileProgram")?,
                ptx_size: function(&library, "nvrtcGetPTXSize")?,
                ptx: function(&library, "nvrtcGetPTX")?,
                log_size: function(&library, "nvrtcGetProgramLogSize")?,
                log: function(&library, "nvrtcGetProgramLog")?,
                destroy_program: function(&library, "nvrtcDestroyProgram")?,
                error_string: function(&library, "nvrtcGetErrorString")?,
                _library: library,
                _builtins: builtins,
            })
        }
    }

    /// Major and minor version.
    pub(super) fn version(&self) -> Result<(i32, i32)> {
        let (mut major, mut minor) = (0, 0);
        // SAFETY: both are valid for writes.
        self.checked("asking for its version", unsafe { (self.version)(&mut major, &mut minor) })?;
        Ok((major, minor))
    }

    /// The PTX of `source`, which may include `headers` by name.
    pub(super) fn compile(&self, source: &Source, headers: &[Source], options: &[String]) -> Result<String> {
        let what = format!("compiling kernels/{}", source.name);
        let program = Program::new(self, source, headers, &what)?;
        let options = options.iter().map(|option| c_string(option, &what)).collect::<Result<Vec<_>>>()?;
        let pointers: Vec<_> = options.iter().map(|option| option.as_ptr()).collect();
        // SAFETY: the program is valid; the options live until the call is over, and are only read.
        let code = unsafe { (self.compile_program)(program.handle, count(&pointers), pointers.as_ptr()) };
        if code != 0 {
            let log = program.text(self.log_size, self.log, &what)?;
            let cause = first_useful_line(&log).map_or_else(|| self.describe(code), str::to_owned);
            let (major, minor) = self.version()?;
            return Err(Error::device(format!("{what} with NVRTC {major}.{minor}: {cause}")));
        }
        program.text(self.ptx_size, self.ptx, &what)
    }

    fn checked(&self, what: &str, code: Code) -> Result<()> {
        if code == 0 {
            return Ok(());
        }
        Err(Error::device(format!("{what}: {}", self.describe(code))))
    }

    fn describe(&self, code: Code) -> String {
        // SAFETY: answers any number with a constant text.
        let text = unsafe { (self.error_string)(code) };
        if text.is_null() {
            return format!("NVRTC answers {code}");
        }
        // SAFETY: it ends with a zero byte and lives as long as the library.
        unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
    }
}

/// The function of that name.
///
/// # Safety
/// It must be of type `T`.
unsafe fn function<T: Copy>(library: &Library, name: &str) -> std::result::Result<T, String> {
    // SAFETY: what the caller vouches for.
    let found = unsafe { library.get::<T>(name) };
    found.map(|function| *function).map_err(|_| format!("it has no {name}"))
}

/// A source on its way to PTX.
struct Program<'a> {
    nvrtc: &'a Nvrtc,
    handle: Handle,
}

impl<'a> Program<'a> {
    fn new(nvrtc: &'a Nvrtc, source: &Source, headers: &[Source], what: &str) -> Result<Self> {
        let text = c_string(source.text, what)?;
        // As in `scripts/build-ptx`, so that messages and line information name the same file.
        let name = c_string(&format!("kernels/{}", source.name), what)?;
        let strings = |of: fn(&Source) -> &str| {
            headers.iter().map(|header| c_string(of(header), what)).collect::<Result<Vec<_>>>()
        };
        let (bodies, names) = (strings(|header| header.text)?, strings(|header| header.name)?);
        let bodies: Vec<_> = bodies.iter().map(|body| body.as_ptr()).collect();
        let includes: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
        let mut handle = ptr::null_mut();
        // SAFETY: all strings end with a zero byte and live until the call is over, which copies them; there
        // are as many bodies as names.
        let code = unsafe {
            (nvrtc.create_program)(
                &mut handle,
                text.as_ptr(),
                name.as_ptr(),
                count(&bodies),
                bodies.as_ptr(),
                includes.as_ptr(),
            )
        };
        nvrtc.checked(what, code)?;
        Ok(Self { nvrtc, handle })
    }

    fn text(&self, size_of: GetSize, text_of: GetText, what: &str) -> Result<String> {
        let mut size = 0;
        // SAFETY: the program is valid, and `size` is valid for writes.
        self.nvrtc.checked(what, unsafe { size_of(self.handle, &mut size) })?;
        let mut bytes = vec![0u8; size];
        // SAFETY: the program is valid, and writes as many bytes as it said.
        self.nvrtc.checked(what, unsafe { text_of(self.handle, bytes.as_mut_ptr().cast()) })?;
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(size);
        Ok(String::from_utf8_lossy(&bytes[..end]).into_owned())
    }
}

impl Drop for Program<'_> {
    fn drop(&mut self) {
        // SAFETY: the program is valid and destroyed only here.
        unsafe { (self.nvrtc.destroy_program)(&mut self.handle) };
    }
}

fn c_string(text: &str, what: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::device(format!("{what}: a text has a zero byte")))
}

/// Never more than a few.
fn count(pointers: &[*const c_char]) -> c_int {
    c_int::try_from(pointers.len()).unwrap_or(c_int::MAX)
}
