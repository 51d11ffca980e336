//! A key that must show up nowhere: in no output, file, row, compressed text or message, in no
//! form that a program could have made of it.

use std::{fs, io::Read, path::Path};

use crate::{
    child::Ended,
    kind::{Broken, Flaw, Run, demand, files},
};

/// The canary.
pub(crate) const KEY: &str = "sk-canary/7Qx3+Zt9vB2mL5pR8wN4kJ6hG1fD0sA";

/// Every form of the key that is looked for, with its name.
fn forms() -> Vec<(&'static str, String)> {
    let (first, second) = KEY.split_at(KEY.len() / 2);
    let reversed = |text: &str| text.chars().rev().collect::<String>();
    let mut forms = vec![
        ("first half", first.to_owned()),
        ("second half", second.to_owned()),
        ("first half reversed", reversed(first)),
        ("second half reversed", reversed(second)),
        ("url-encoded", KEY.replace('/', "%2F").replace('+', "%2B")),
        ("url-encoded", KEY.replace('/', "%2f").replace('+', "%2b")),
        ("escaped", KEY.replace('/', "\\/")),
    ];
    for before in 0..3 {
        // Whatever stands before it, the middle is the same.
        let text = base64(&[&vec![b' '; before][..], KEY.as_bytes()].concat());
        let middle = text[4..text.len() - 4].to_owned();
        forms.push(("base64", middle.replace('+', "-").replace('/', "_")));
        forms.push(("base64", middle));
    }
    let hex: String = KEY.bytes().map(|it| format!("{it:02x}")).collect();
    forms.push(("hexadecimal", hex));
    forms
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk
            .iter()
            .fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        let word = word << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let index = (word >> (18 - 6 * digit)) & 63;
            match digit <= chunk.len() {
                true => text.push(char::from(DIGITS[index as usize])),
                false => text.push('='),
            }
        }
    }
    text
}

/// The forms of the key that bytes hold, packed texts within included.
pub(crate) fn found(bytes: &[u8]) -> Vec<&'static str> {
    let holds = |text: &[u8]| -> Vec<&'static str> {
        let is_there = |form: &&(&'static str, String)| {
            text.windows(form.1.len()).any(|it| it == form.1.as_bytes())
        };
        forms()
            .iter()
            .filter(is_there)
            .map(|(name, _)| *name)
            .collect()
    };
    let mut all = holds(bytes);
    // zlib streams begin with 0x78 and one of these.
    for (at, pair) in bytes.windows(2).enumerate() {
        if pair[0] == 0x78 && [0x01, 0x5e, 0x9c, 0xda].contains(&pair[1]) {
            let mut text = Vec::new();
            let stream = flate2::read::ZlibDecoder::new(&bytes[at..]);
            // What ends in the middle was none.
            let _ = stream.take(1 << 20).read_to_end(&mut text);
            all.extend(holds(&text));
        }
    }
    all
}

/// Demands that the key is in nothing that a run printed or left, but in the key's own file.
pub(crate) fn nowhere(run: &Run, ended: &[&Ended], key_file: &str) -> Result<usize, Broken> {
    let mut texts = 0;
    let mut clean = |what: &str, bytes: &[u8]| {
        texts += 1;
        let forms = found(bytes);
        demand(forms.is_empty(), Flaw::Lost, || {
            format!("the key is in {what}: {forms:?}")
        })
    };
    for ended in ended {
        clean("standard output", ended.out.as_bytes())?;
        clean("standard error", ended.err.as_bytes())?;
    }
    for path in files(run.folder())? {
        if path.ends_with(key_file) {
            continue;
        }
        clean(&path.display().to_string(), &fs::read(&path)?)?;
        for row in rows(&path)? {
            clean(&format!("a row of {}", path.display()), &row)?;
        }
    }
    Ok(texts)
}

/// Every text and every unpacked shader of an archive.
fn rows(path: &Path) -> Result<Vec<Vec<u8>>, Broken> {
    if path.extension().is_none_or(|it| it != "sqlite") {
        return Ok(Vec::new());
    }
    let connection = rusqlite::Connection::open(path)?;
    let mut all = Vec::new();
    let sql = "SELECT attempt || evidence FROM attempts UNION ALL SELECT text FROM keys";
    let mut statement = connection.prepare(sql)?;
    for text in statement.query_map([], |row| row.get::<_, String>(0))? {
        all.push(text?.into_bytes());
    }
    let mut statement = connection.prepare("SELECT bytes FROM shaders")?;
    for bytes in statement.query_map([], |row| row.get::<_, Vec<u8>>(0))? {
        let bytes = bytes?;
        let mut text = Vec::new();
        flate2::read::ZlibDecoder::new(&bytes[..]).read_to_end(&mut text)?;
        all.push(text);
    }
    Ok(all)
}

/// That the search finds what is planted, in each form and place.
pub(crate) fn control() -> Result<usize, Broken> {
    let mut planted: Vec<Vec<u8>> = forms()
        .into_iter()
        .map(|(_, text)| text.into_bytes())
        .collect();
    planted.push(format!("Bearer {KEY}").into_bytes());
    planted.push(base64(format!("user:{KEY}").as_bytes()).into_bytes());
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, format!("// {KEY}").as_bytes())?;
    planted.push([b"before", &packed.finish()?[..], b"behind"].concat());
    for bytes in &planted {
        demand(!found(bytes).is_empty(), Flaw::Other, || {
            format!("planted and not found: {}", String::from_utf8_lossy(bytes))
        })?;
    }
    demand(
        found(b"sk-canary and nothing more").is_empty(),
        Flaw::Other,
        || "found in vain".into(),
    )?;
    Ok(planted.len())
}
