//! The rules of the format, checked before anything of a package is used.
//!
//! Kernels and entries are in `validate_program`. What depends on symbol values or on a device (sizes against limits,
//! dispatch counts) is checked again when an entry is instantiated.

use std::collections::BTreeSet;

use super::{
    Buffer, BufferId, Expr, ExprError, FORMAT, Manifest, Package, PackageError, Role, Symbols,
    names::is_name,
    package::{CONSTANTS_FILE, PROGRAM_FILE, hash},
};

/// Most dimensions of a buffer.
pub(super) const MAX_RANK: usize = 8;
const MAX_SYMBOLS: usize = 256;
const MAX_BUFFERS: usize = 1 << 16;
const MAX_KERNELS: usize = 1 << 12;
const MAX_ENTRIES: usize = 1 << 8;

impl Package {
    /// Checks every rule of the format; the first broken one is the error.
    pub fn validate(&self) -> Result<(), PackageError> {
        let manifest = &self.manifest;
        if manifest.format != FORMAT {
            return Err(PackageError::Format {
                found: manifest.format,
                supported: FORMAT,
            });
        }
        check_count("symbols", manifest.symbols.len(), MAX_SYMBOLS)?;
        check_count("buffers", manifest.buffers.len(), MAX_BUFFERS)?;
        check_count("kernels", manifest.kernels.len(), MAX_KERNELS)?;
        check_count("entries", manifest.entries.len(), MAX_ENTRIES)?;
        self.check_symbols()?;
        self.check_buffers()?;
        for (name, kernel) in &manifest.kernels {
            self.check_kernel(name, kernel)?;
        }
        for (name, entry) in &manifest.entries {
            self.check_entry(name, entry)?;
        }
        self.check_hashes()
    }

    fn check_symbols(&self) -> Result<(), PackageError> {
        for (name, range) in &self.manifest.symbols {
            let place = format!("symbol '{}'", name.escape_default());
            check_name(&place, name)?;
            if range.min < 0 || range.max < range.min {
                let problem = format!(
                    "range {}..={} must be ordered and not negative",
                    range.min, range.max
                );
                return Err(invalid(place, problem));
            }
        }
        Ok(())
    }

    fn check_buffers(&self) -> Result<(), PackageError> {
        let mut names = BTreeSet::new();
        for (index, buffer) in self.manifest.buffers.iter().enumerate() {
            let place = format!("buffer {index} '{}'", buffer.name.escape_default());
            check_name(&place, &buffer.name)?;
            if !names.insert(buffer.name.as_str()) {
                return Err(invalid(place, "name is used twice".into()));
            }
            check_count(&place, buffer.shape.len(), MAX_RANK)?;
            if !buffer.strides.is_empty() && buffer.strides.len() != buffer.shape.len() {
                let problem = format!(
                    "{} strides for {} dimensions",
                    buffer.strides.len(),
                    buffer.shape.len()
                );
                return Err(invalid(place, problem));
            }
            for expr in buffer.expressions() {
                self.check_expr(&place, expr)?;
            }
            for symbols in self.extremes() {
                buffer
                    .instantiate(&symbols)
                    .map_err(|source| PackageError::Extent {
                        place: place.clone(),
                        source,
                    })?;
            }
            if buffer.role == Role::Constant {
                self.check_constant(&place, buffer)?;
            }
        }
        for name in self.constants.keys() {
            let used = |buffer: &Buffer| buffer.name == *name && buffer.role == Role::Constant;
            if !self.manifest.buffers.iter().any(used) {
                let place = format!("constant '{}'", name.escape_default());
                return Err(invalid(place, "no constant buffer has this name".into()));
            }
        }
        Ok(())
    }

    fn check_constant(&self, place: &str, buffer: &Buffer) -> Result<(), PackageError> {
        let Some(tensor) = self.constants.get(&buffer.name) else {
            return Err(invalid(
                place.into(),
                "no value in the package's constants".into(),
            ));
        };
        let shape: Option<Vec<u64>> = buffer
            .shape
            .iter()
            .map(|dim| dim.as_constant().and_then(|dim| u64::try_from(dim).ok()))
            .collect();
        let matches = shape.is_some_and(|shape| {
            shape
                .iter()
                .copied()
                .eq(tensor.shape().iter().map(|&dim| dim as u64))
        });
        if !matches || tensor.dtype() != buffer.dtype {
            let problem = format!(
                "value is {}, which is not the buffer's dtype and shape",
                tensor.describe()
            );
            return Err(invalid(place.into(), problem));
        }
        Ok(())
    }

    fn check_hashes(&self) -> Result<(), PackageError> {
        if self.manifest.hashes.is_empty() {
            return Ok(());
        }
        for (path, bytes) in &self.files {
            match self.manifest.hashes.get(path) {
                None => {
                    let problem = "not listed with a hash; seal the package";
                    return Err(PackageError::FileList {
                        path: path.clone(),
                        problem,
                    });
                }
                Some(expected) if *expected != hash(bytes) => {
                    return Err(PackageError::HashMismatch { path: path.clone() });
                }
                Some(_) => {}
            }
        }
        let present = |path: &str| match path {
            PROGRAM_FILE => self.program.is_some(),
            CONSTANTS_FILE => !self.constants.is_empty(),
            _ => self.files.contains_key(path),
        };
        match self.manifest.hashes.keys().find(|path| !present(path)) {
            Some(path) => Err(PackageError::FileList {
                path: path.escape_default().to_string(),
                problem: "listed with a hash but not in the package",
            }),
            None => Ok(()),
        }
    }

    pub(super) fn check_expr(&self, place: &str, expr: &Expr) -> Result<(), PackageError> {
        let failed = |source| PackageError::Expression {
            place: place.into(),
            source,
        };
        expr.check_size().map_err(failed)?;
        for symbols in self.extremes() {
            expr.evaluate(&symbols).map_err(failed)?;
        }
        Ok(())
    }

    /// Symbol values to try: all at their least, all at their greatest.
    fn extremes(&self) -> [Symbols; 2] {
        let symbols = &self.manifest.symbols;
        [
            symbols
                .iter()
                .map(|(name, range)| (name.clone(), range.min))
                .collect(),
            symbols
                .iter()
                .map(|(name, range)| (name.clone(), range.max))
                .collect(),
        ]
    }

    pub(super) fn buffer(&self, place: &str, id: BufferId) -> Result<&Buffer, PackageError> {
        self.manifest.buffer(id).ok_or_else(|| {
            let count = self.manifest.buffers.len();
            invalid(
                place.into(),
                format!("buffer {} does not exist; there are {count}", id.0),
            )
        })
    }
}

impl Manifest {
    /// The buffer of an id.
    pub fn buffer(&self, id: BufferId) -> Option<&Buffer> {
        self.buffers.get(id.0 as usize)
    }

    /// Values for all symbols, from those given.
    ///
    /// A symbol whose range is a single value need not be given. Unknown,
    /// missing and out-of-range ones are errors.
    pub fn bind_symbols(&self, given: &Symbols) -> Result<Symbols, PackageError> {
        if let Some(name) = given.keys().find(|name| !self.symbols.contains_key(*name)) {
            let known = self
                .symbols
                .keys()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(", ");
            return Err(PackageError::Expression {
                place: "symbols".into(),
                source: ExprError::UnknownSymbol {
                    symbol: name.escape_default().to_string(),
                    known,
                },
            });
        }
        let mut values = Symbols::new();
        for (name, range) in &self.symbols {
            let place = || format!("symbol '{name}'");
            let value = match given.get(name) {
                Some(&value) => value,
                None if range.min == range.max => range.min,
                None => return Err(invalid(place(), "has no value; give one".into())),
            };
            if value < range.min || value > range.max {
                let problem = format!("{value} is outside {}..={}", range.min, range.max);
                return Err(invalid(place(), problem));
            }
            values.insert(name.clone(), value);
        }
        Ok(values)
    }
}

pub(super) fn invalid(place: String, problem: String) -> PackageError {
    PackageError::Invalid { place, problem }
}

pub(super) fn check_count(place: &str, count: usize, limit: usize) -> Result<(), PackageError> {
    if count <= limit {
        return Ok(());
    }
    Err(invalid(
        place.into(),
        format!("{count} exceed the limit of {limit}"),
    ))
}

pub(super) fn check_name(place: &str, name: &str) -> Result<(), PackageError> {
    if is_name(name) {
        return Ok(());
    }
    let shown: String = name.chars().take(40).collect();
    let problem = format!(
        "name '{}' must be 1 to 200 bytes of letters, digits and _ . $ : / + -",
        shown.escape_default()
    );
    Err(invalid(place.into(), problem))
}
