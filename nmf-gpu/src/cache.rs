//! Small files in a folder, for what is worth keeping from one process to the next: compiled kernels and the choices
//! of kernel variants. A file may be missing, damaged or of another program at any time; then it counts as absent and
//! is overwritten.

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The first word of every file, and the version of its format.
const MAGIC: &str = "nmf-cache 1";
/// Files in a folder; beyond these the oldest go.
const MAX_FILES: usize = 32;
/// Longer files are not read, and not written.
const MAX_BYTES: u64 = 64 << 20;
/// The ending of every file, and of one that is being written.
const ENDING: &str = ".nmfcache";
const ENDING_UNFINISHED: &str = ".nmfcache-new";
/// An unfinished file of this age was left behind by a process that died.
const ABANDONED: Duration = Duration::from_secs(3600);

/// A folder of values by key. Everything that decides whether a value is still good belongs into the key: adapter,
/// driver, versions.
///
/// Several processes may use one folder: files appear whole, and the last writer of a key wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// A store in `folder`, which is made when the first value is put.
    pub fn new(folder: impl Into<PathBuf>) -> Store {
        Store { folder: folder.into() }
    }

    /// The value put last under this key; `None` where there is none that can be trusted.
    pub fn get(&self, key: &str) -> Option<Value> {
        serde_json::from_slice(&self.read(key).ok()?).ok()
    }

    /// Keeps a value. Errors are those of the file system; who can go on without the value may ignore them.
    pub fn put(&self, key: &str, value: &Value) -> io::Result<()> {
        self.write(key, &serde_json::to_vec(value)?)
    }

    /// The file of a key: readable, and different for different keys (of those that collide one is kept).
    fn path(&self, key: &str) -> PathBuf {
        let mut words = String::new();
        for c in key.chars().take(60) {
            match c {
                c if c.is_ascii_alphanumeric() => words.push(c.to_ascii_lowercase()),
                _ if words.ends_with('-') => {}
                _ => words.push('-'),
            }
        }
        self.folder.join(format!("{}-{:08x}{ENDING}", words.trim_matches('-'), crc32fast::hash(key.as_bytes())))
    }

    /// The bytes under a key. The error of a file that is there but cannot be trusted is `InvalidData` and says why.
    pub(crate) fn read(&self, key: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        std::fs::File::open(self.path(key))?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
        let payload = decode(&bytes, key).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
        Ok(payload.to_vec())
    }

    /// Keeps bytes under a key.
    pub(crate) fn write(&self, key: &str, payload: &[u8]) -> io::Result<()> {
        if payload.len() as u64 > MAX_BYTES / 2 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "too large for a cache"));
        }
        create_private(&self.folder)?;
        let mut file = tempfile::Builder::new().prefix(".").suffix(ENDING_UNFINISHED).tempfile_in(&self.folder)?;
        file.write_all(&encode(key, payload))?;
        file.persist(self.path(key)).map_err(|e| e.error)?;
        self.prune();
        Ok(())
    }

    /// Bounds the number of files. Others may be doing the same, so what fails is left alone.
    fn prune(&self) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        let mut kept: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in entries.flatten() {
            let Some(changed) = entry.metadata().ok().filter(|m| m.is_file()).and_then(|m| m.modified().ok()) else {
                continue;
            };
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.ends_with(ENDING) {
                kept.push((changed, entry.path()));
            } else if name.ends_with(ENDING_UNFINISHED) && changed.elapsed().is_ok_and(|age| age > ABANDONED) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        kept.sort();
        let surplus = kept.len().saturating_sub(MAX_FILES);
        for (_, path) in kept.into_iter().take(surplus) {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// What is kept is handed to the driver: nobody else should write it.
fn create_private(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// `nmf-cache 1 <checksum> <bytes of the key> <bytes of the payload>`, a line end, the key, the payload.
fn encode(key: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{MAGIC} {:08x} {} {}\n", checksum(key, payload), key.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(key.as_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

fn decode<'a>(bytes: &'a [u8], key: &str) -> Result<&'a [u8], &'static str> {
    let end = bytes.iter().take(80).position(|b| *b == b'\n').ok_or("no file of this program")?;
    let (head, rest) = (&bytes[..end], &bytes[end + 1..]);
    let head = std::str::from_utf8(head).ok().and_then(|h| h.strip_prefix(MAGIC)).ok_or("no file of this program")?;
    let mut numbers = head.split_whitespace();
    let sum = numbers.next().and_then(|n| u32::from_str_radix(n, 16).ok());
    let mut length = || numbers.next().and_then(|n| n.parse::<usize>().ok());
    let (Some(sum), Some(key_bytes), Some(payload_bytes)) = (sum, length(), length()) else {
        return Err("no file of this program");
    };
    if key_bytes.checked_add(payload_bytes) != Some(rest.len()) {
        return Err("cut short");
    }
    let (found, payload) = rest.split_at(key_bytes);
    if found != key.as_bytes() {
        return Err("of another adapter, driver or version");
    }
    if checksum(key, payload) != sum {
        return Err("damaged");
    }
    Ok(payload)
}

fn checksum(key: &str, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key.as_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// Which variant of a kernel is the fastest on this device, by class of shape: chosen by measuring once, then kept.
///
/// A choice read from a file may be any number: who asks checks that it names a variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuning {
    on: bool,
    store: Option<Store>,
    key: String,
    choices: BTreeMap<String, u32>,
}

impl Tuning {
    /// The choices kept in `folder` for the device that `key` describes; without a folder they last as long as this
    /// value.
    pub(crate) fn open(folder: Option<&Path>, key: &str) -> Tuning {
        let mut tuning = Tuning { on: true, store: folder.map(Store::new), key: key.into(), choices: BTreeMap::new() };
        tuning.choices = tuning.kept();
        tuning
    }

    /// No choices, and none wanted.
    pub(crate) fn off() -> Tuning {
        Tuning { on: false, store: None, key: String::new(), choices: BTreeMap::new() }
    }

    /// Whether choices are wanted: otherwise nothing should be measured.
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// The choice for a class of shapes, if one was made on this device.
    pub fn get(&self, class: &str) -> Option<u32> {
        self.choices.get(class).copied()
    }

    /// A number for all choices together: 0 for none.
    pub fn fingerprint(&self) -> u32 {
        if self.choices.is_empty() {
            return 0;
        }
        let words: String = self.choices.iter().map(|(class, choice)| format!("{class}={choice};")).collect();
        crc32fast::hash(words.as_bytes())
    }

    /// Makes a choice and keeps it. Where it cannot be kept, which is the error, it holds for this process.
    pub fn put(&mut self, class: &str, choice: u32) -> io::Result<()> {
        if !self.on || self.choices.insert(class.into(), choice) == Some(choice) {
            return Ok(());
        }
        let Some(store) = &self.store else { return Ok(()) };
        // what other processes have chosen meanwhile stays; between two at the same moment one choice may be
        // lost, and is made again some other time
        let mut all = self.kept();
        all.insert(class.into(), choice);
        let all: Map<String, Value> = all.into_iter().map(|(class, choice)| (class, choice.into())).collect();
        store.put(&self.key, &Value::Object(all))
    }

    fn kept(&self) -> BTreeMap<String, u32> {
        let value = self.store.as_ref().and_then(|s| s.get(&self.key));
        let Some(Value::Object(map)) = value else { return BTreeMap::new() };
        map.into_iter().filter_map(|(class, v)| Some((class, u32::try_from(v.as_u64()?).ok()?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn files(folder: &Path) -> Vec<PathBuf> {
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect()
    }

    #[test]
    fn what_was_put_is_there_for_the_next_process() {
        let place = tempfile::tempdir().unwrap();
        // a folder that does not exist yet
        let store = Store::new(place.path().join("a/b"));
        assert_eq!(store.get("k"), None);
        store.put("k", &json!({"a": 1.5, "b": [1, "x"]})).unwrap();
        store.put("another k", &json!(2)).unwrap();
        let again = Store::new(place.path().join("a/b"));
        assert_eq!(again.get("k"), Some(json!({"a": 1.5, "b": [1, "x"]})));
        assert_eq!(again.get("another k"), Some(json!(2)));
        assert_eq!(again.get("other"), None);
        store.put("k", &json!(null)).unwrap();
        assert_eq!(again.get("k"), Some(Value::Null));
    }

    #[test]
    fn damaged_foreign_and_truncated_files_count_as_absent_and_are_overwritten() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::new(place.path());
        let (key, value) = ("tuning; card 1; driver 2", json!({"dense": 3}));
        store.put(key, &value).unwrap();
        let path = store.path(key);
        let good = std::fs::read(&path).unwrap();
        let mut bad: Vec<Vec<u8>> = (0..good.len()).map(|n| good[..n].to_vec()).collect();
        for at in 0..good.len() {
            let mut flipped = good.clone();
            flipped[at] ^= 4;
            bad.push(flipped);
        }
        bad.push([good.as_slice(), b" "].concat());
        bad.push(vec![0; 5000]);
        bad.push(vec![b'9'; 5000]);
        bad.push(b"nmf-cache 1 00000000 18446744073709551615 2\nx".to_vec());
        bad.push(b"{\"dense\": 7}".to_vec());
        // whole, but of another driver, as a collision of file names would have it
        bad.push(encode("tuning; card 1; driver 3", b"{\"dense\": 7}"));
        // whole, but no JSON
        bad.push(encode(key, b"{\"dense\": "));
        for bytes in bad {
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(store.get(key), None, "{}", String::from_utf8_lossy(&bytes));
            let mut tuning = Tuning::open(Some(place.path()), key);
            assert_eq!(tuning.get("dense"), None);
            tuning.put("dense", 4).unwrap();
            assert_eq!(store.get(key), Some(json!({"dense": 4})));
        }
        let why = |bytes: &[u8]| decode(bytes, key).unwrap_err();
        assert_eq!(why(&good[..good.len() - 1]), "cut short");
        assert_eq!(why(&encode("x", b"")), "of another adapter, driver or version");
        assert_eq!(why(b"PK\n"), "no file of this program");
    }

    #[test]
    fn choices_that_are_no_numbers_are_left_out() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::new(place.path());
        store.put("t", &json!({"a": 1, "b": -1, "c": "2", "d": 1e20, "e": null})).unwrap();
        let tuning = Tuning::open(Some(place.path()), "t");
        assert_eq!(["a", "b", "c", "d", "e"].map(|c| tuning.get(c)), [Some(1), None, None, None, None]);
        store.put("t", &json!([1, 2])).unwrap();
        assert_eq!(Tuning::open(Some(place.path()), "t").choices, BTreeMap::new());
    }

    #[test]
    fn two_writers_leave_a_whole_file_and_keep_what_the_other_chose() {
        let place = tempfile::tempdir().unwrap();
        let (mut one, mut two) = (Tuning::open(Some(place.path()), "t"), Tuning::open(Some(place.path()), "t"));
        one.put("a", 1).unwrap();
        two.put("b", 2).unwrap();
        let both = Tuning::open(Some(place.path()), "t");
        assert_eq!((both.get("a"), both.get("b")), (Some(1), Some(2)));
        // at the same moment: whatever is read is whole, and nothing unfinished stays
        std::thread::scope(|s| {
            for writer in 0..4u32 {
                let folder = place.path();
                s.spawn(move || {
                    let (mut t, store) = (Tuning::open(Some(folder), "t"), Store::new(folder));
                    for i in 0..50 {
                        t.put(&format!("w{writer}"), i).unwrap();
                        let seen = store.get("t").expect("a file that is not whole");
                        assert_eq!((&seen["a"], &seen["b"]), (&json!(1), &json!(2)));
                    }
                });
            }
        });
        assert_eq!(files(place.path()).len(), 1);
        assert!((0..4).any(|w| Tuning::open(Some(place.path()), "t").get(&format!("w{w}")) == Some(49)));
    }

    #[test]
    fn a_folder_that_cannot_be_used_and_tuning_that_is_off_change_nothing() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let mut tuning = Tuning::open(Some(&file), "t");
        assert!(tuning.put("a", 1).is_err());
        assert_eq!((tuning.get("a"), std::fs::read(&file).unwrap()), (Some(1), b"x".to_vec()));
        assert!(Store::new(&file).put("k", &json!(1)).is_err());
        let mut off = Tuning::off();
        off.put("a", 1).unwrap();
        assert!(off.get("a").is_none() && !off.is_on());
        let mut alone = Tuning::open(None, "t");
        alone.put("a", 1).unwrap();
        assert!(alone.get("a") == Some(1) && alone.is_on());
    }

    #[test]
    fn the_number_of_files_is_bounded_and_files_of_others_stay() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("mine.txt"), "x").unwrap();
        std::fs::write(place.path().join(format!(".late{ENDING_UNFINISHED}")), "x").unwrap();
        let store = Store::new(place.path());
        for i in 0..MAX_FILES + 9 {
            store.put(&format!("key {i}"), &json!(i)).unwrap();
        }
        // another process may be writing the unfinished one right now
        assert_eq!(files(place.path()).len(), MAX_FILES + 2);
        assert!(place.path().join("mine.txt").exists());
        assert_eq!(store.get(&format!("key {}", MAX_FILES + 8)), Some(json!(MAX_FILES + 8)));
        let old = std::fs::File::options().write(true).open(place.path().join(format!(".late{ENDING_UNFINISHED}")));
        old.unwrap().set_modified(SystemTime::now() - 2 * ABANDONED).unwrap();
        store.put("key", &json!(0)).unwrap();
        assert_eq!(files(place.path()).len(), MAX_FILES + 1);
        assert!(store.write("large", &vec![0; MAX_BYTES as usize / 2 + 1]).is_err());
    }
}
