//! Pages opened in a real browser: headless Chromium, without a network.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names under which Chromium is installed; the environment variable CHROMIUM may name another place.
const NAMES: [&str; 5] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];

/// A page around the page: it measures what only a browser knows, and writes it down where `--dump-dom` finds it.
const AROUND: &str = r#"<!DOCTYPE html><html><body style="margin:0"><iframe id="page" width="WIDTH" height="900" src="URL"></iframe><pre id="found"></pre>
<script>
const frame = document.getElementById('page');
frame.onload = async () => {
  const d = frame.contentDocument, sounds = [...d.querySelectorAll('audio')];
  await Promise.all(sounds.map(a => a.readyState > 0 || a.error ? 0 : new Promise(r => { a.onloadedmetadata = r; a.onerror = r; })));
  const cut = [], small = [], over = [];
  for (const svg of d.querySelectorAll('svg')) {
    const q = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / q.width;
    // folded away: nothing to measure
    if (q.width === 0) continue;
    if (13 / scale < 9) small.push(svg.closest('figure').id);
    const boxes = [...svg.querySelectorAll('text')].map(t => t.getBoundingClientRect());
    boxes.forEach((r, i) => {
      if ((q.left - r.left) * scale > 1 || (r.right - q.right) * scale > 1 || (q.top - r.top) * scale > 1 || (r.bottom - q.bottom) * scale > 1)
        cut.push(svg.closest('figure').id);
      for (const b of boxes.slice(i + 1)) {
        const wide = Math.min(r.right, b.right) - Math.max(r.left, b.left), tall = Math.min(r.bottom, b.bottom) - Math.max(r.top, b.top);
        if (wide * scale > 2 && tall * scale > 5) over.push(svg.closest('figure').id);
      }
    });
  }
  const ids = [...d.querySelectorAll('[id]')].map(e => e.id);
  const style = frame.contentWindow.getComputedStyle(d.body);
  const found = { width: d.documentElement.scrollWidth, room: d.documentElement.clientWidth, height: d.documentElement.scrollHeight,
    paper: style.backgroundColor, ink: style.color, sounds: sounds.map(a => a.duration), pictures: d.querySelectorAll('figure svg').length,
    scripts: d.querySelectorAll('script').length, twice: ids.filter((id, i) => ids.indexOf(id) !== i), cut, small, over };
  document.getElementById('found').textContent = encodeURIComponent(JSON.stringify(found));
};
</script></body></html>"#;

/// What the browser had to say of a page.
pub(crate) struct Seen {
    /// The document as the browser has it.
    pub(crate) dom: String,
    /// Messages on the console: of scripts, of what the policy of the page forbids, of errors.
    pub(crate) console: Vec<String>,
    /// Addresses that the page asked for over a network.
    pub(crate) requests: Vec<String>,
}

/// The screen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    pub(crate) width: usize,
    pub(crate) dark: bool,
}

/// The program.
fn chromium() -> PathBuf {
    if let Some(named) = std::env::var_os("CHROMIUM") {
        return named.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = NAMES.iter().flat_map(|name| std::env::split_paths(&path).map(move |dir| dir.join(name)));
    all.into_iter().find(|p| p.is_file()).expect(
        "no Chromium on the PATH nor in the variable CHROMIUM: reports are tested in a real browser; on Debian and Ubuntu install the package `chromium` (test.sh does)",
    )
}

/// Opens a file and waits until it is loaded.
pub(crate) fn open(page: &Path, dark: bool) -> Seen {
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("net.json");
    let mut command = Command::new(chromium());
    command
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--no-pings", "--mute-audio"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--disable-extensions", "--disable-default-apps", "--disable-dev-shm-usage"])
        // what the browser itself wants from its makers goes nowhere
        .arg("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1")
        .args(["--enable-logging=stderr", "--v=0", "--allow-file-access-from-files", "--virtual-time-budget=20000"])
        .arg(format!("--user-data-dir={}", place.path().join("profile").display()))
        .arg(format!("--log-net-log={}", log.display()));
    if dark {
        command.arg("--blink-settings=preferredColorScheme=0");
    }
    let out = command.arg("--dump-dom").arg(url(page)).output().unwrap();
    let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "chromium ended with {}: {stderr}", out.status);
    let console = stderr.lines().filter(|l| l.contains("CONSOLE")).map(String::from).collect();
    let dom = String::from_utf8_lossy(&out.stdout).into_owned();
    Seen { dom, console, requests: requests(&std::fs::read_to_string(log).unwrap()) }
}

/// What a browser measures of a page on this screen.
pub(crate) fn measure(page: &Path, screen: Screen) -> Value {
    let place = tempfile::tempdir().unwrap();
    let around = place.path().join("around.html");
    let html = AROUND.replace("WIDTH", &screen.width.to_string()).replace("URL", &url(page));
    std::fs::write(&around, html).unwrap();
    let seen = open(&around, screen.dark);
    assert!(seen.console.is_empty(), "{:?}", seen.console);
    let found =
        seen.dom.split_once("<pre id=\"found\">").and_then(|s| s.1.split_once("</pre>")).expect("nothing measured").0;
    serde_json::from_str(&decoded(found)).unwrap_or_else(|e| panic!("{e}: {found}"))
}

fn url(file: &Path) -> String {
    let path = file.canonicalize().unwrap();
    format!("file://{}", path.to_str().unwrap().replace('%', "%25").replace('#', "%23").replace('?', "%3F"))
}

/// Undoes encodeURIComponent.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'%', [a, b, tail @ ..]) => {
                bytes.push(u8::from_str_radix(std::str::from_utf8(&[*a, *b]).unwrap(), 16).unwrap());
                tail
            }
            _ => {
                bytes.push(*first);
                tail
            }
        };
    }
    String::from_utf8(bytes).unwrap()
}

/// The addresses in a log of Chromium's network that a page asked for: the browser's own requests have no origin.
fn requests(log: &str) -> Vec<String> {
    // a browser that is closing may leave the last lines away
    let log: Value = serde_json::from_str(log)
        .or_else(|_| serde_json::from_str(&format!("{}]}}", log.trim_end().trim_end_matches(','))))
        .unwrap();
    let mut found = Vec::new();
    for event in log["events"].as_array().unwrap() {
        let (url, by) = (event["params"]["url"].as_str(), event["params"]["initiator"].as_str());
        if let (Some(url), Some(by)) = (url, by)
            && by != "not an origin"
            && !["file:", "data:", "blob:", "chrome"].iter().any(|own| url.starts_with(own))
        {
            found.push(url.to_string());
        }
    }
    found
}
