//! Adapters and the choice of one; the device made from it, with its errors turned into [`nmf_core::Error`].

use crate::cooperative;
use crate::features::{Features, Switch};
use crate::window::{Streaming, XStorage};
use nmf_core::{Error, Result};
use nmf_shaders::{Ladder, Matrices};
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use wgpu::DeviceType;

/// The version of wgpu, whose translation of the kernels is part of what a driver compiles.
const WGPU: &str = "30";

/// What to install where no adapter was found.
const ADVICE: &str = "no graphics adapter was found: install the driver of the graphics card and the Vulkan loader \
     (on Debian and Ubuntu libvulkan1), or the software adapter of the package mesa-vulkan-drivers; or use the CPU";

/// One adapter, as found on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterInfo {
    /// Position in the list, for [`AdapterChoice::Index`].
    pub index: usize,
    /// Name of the card.
    pub name: String,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// Discrete, integrated, software ….
    pub device_type: String,
    /// Driver and its version.
    pub driver: String,
    /// Whether it computes on the CPU.
    pub software: bool,
    /// The limits that matter for computing, by name.
    pub limits: Vec<(&'static str, u64)>,
    /// Optional features it offers.
    pub features: Vec<String>,
}

/// Which adapter to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdapterChoice {
    /// The first whose name contains this text, in any case.
    Name(String),
    /// By position in [`adapters`].
    Index(usize),
}

/// How to open a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuOptions {
    /// Which adapter; otherwise the first discrete, then integrated, then any other.
    pub adapter: Option<AdapterChoice>,
    /// Bytes of X that one binding may hold at most, below what the device allows: for tests of the windowing.
    pub max_binding: Option<u64>,
    /// Bytes of device memory to use at most; uploads beyond are streamed ([`Self::stream`]) or refused before they start.
    pub memory: Option<u64>,
    /// Bounds and loop checks inside shaders. Without them kernels run faster; they are written not to need them.
    pub checked: bool,
    /// Which optional features of the device to use.
    pub features: Features,
    /// A folder for files that make the next start faster: compiled kernels, choices of kernel variants. It is made
    /// when needed and never holds more than a few dozen files; what cannot be read or written there is done without (but [`crate::Gpu::tune`], whose results would be lost, says so).
    /// `None`: no files.
    pub cache: Option<PathBuf>,
    /// How the numbers of dense X are stored on the device.
    pub x_storage: XStorage,
    /// Whether X that does not fit stays on the host and is sent in panels.
    pub stream: Streaming,
    /// Runs that are computed side by side at most ([`nmf_core::Backend::in_batch`]); 1 switches batches off. `None`: as many as keep the device busy
    /// with the X at hand and find room.
    pub batch: Option<usize>,
}

impl Default for GpuOptions {
    fn default() -> Self {
        GpuOptions {
            adapter: None,
            max_binding: None,
            memory: None,
            checked: true,
            features: Features::default(),
            cache: None,
            x_storage: XStorage::F32,
            stream: Streaming::Auto,
            batch: None,
        }
    }
}

fn instance() -> wgpu::Instance {
    let mut wanted = wgpu::InstanceDescriptor::new_without_display_handle();
    wanted.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    // validation layers belong to the developer's environment, not to a library
    wanted.flags = wgpu::InstanceFlags::empty();
    // where the driver reports a budget, refuse with an error before the system starts to swap or to kill
    wanted.memory_budget_thresholds.for_resource_creation = Some(97);
    wgpu::Instance::new(wanted)
}

fn enumerate() -> Vec<wgpu::Adapter> {
    pollster::block_on(instance().enumerate_adapters(wgpu::Backends::all()))
}

/// All adapters of this machine. An empty machine is an error that says what to install.
pub fn adapters() -> Result<Vec<AdapterInfo>> {
    let found = enumerate();
    if found.is_empty() {
        return Err(Error::Device(ADVICE.into()));
    }
    Ok(found.iter().enumerate().map(|(index, a)| describe(index, a)).collect())
}

fn describe(index: usize, adapter: &wgpu::Adapter) -> AdapterInfo {
    let (info, limits) = (adapter.get_info(), adapter.limits());
    AdapterInfo {
        index,
        name: info.name,
        backend: info.backend.to_string(),
        device_type: format!("{:?}", info.device_type),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
        software: info.device_type == DeviceType::Cpu,
        limits: vec![
            ("max_storage_buffer_binding_size", limits.max_storage_buffer_binding_size),
            ("max_buffer_size", limits.max_buffer_size),
            ("max_storage_buffers_per_shader_stage", limits.max_storage_buffers_per_shader_stage.into()),
            ("max_compute_workgroup_storage_size", limits.max_compute_workgroup_storage_size.into()),
            ("max_compute_invocations_per_workgroup", limits.max_compute_invocations_per_workgroup.into()),
            ("max_compute_workgroups_per_dimension", limits.max_compute_workgroups_per_dimension.into()),
            ("min_storage_buffer_offset_alignment", limits.min_storage_buffer_offset_alignment.into()),
            ("subgroup_min_size", info.subgroup_min_size.into()),
            ("subgroup_max_size", info.subgroup_max_size.into()),
        ],
        features: adapter.features().iter_names().map(|(name, _)| name.to_string()).collect(),
    }
}

fn choose(found: Vec<wgpu::Adapter>, choice: Option<&AdapterChoice>) -> Result<(AdapterInfo, wgpu::Adapter)> {
    let described: Vec<AdapterInfo> = found.iter().enumerate().map(|(i, a)| describe(i, a)).collect();
    if described.is_empty() {
        return Err(Error::Device(ADVICE.into()));
    }
    let rank = |i: &usize| match found[*i].get_info().device_type {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Other => 3,
        DeviceType::Cpu => 4,
    };
    let index = match choice {
        None => (0..found.len()).min_by_key(rank),
        Some(AdapterChoice::Index(i)) => Some(*i).filter(|i| *i < found.len()),
        Some(AdapterChoice::Name(text)) => {
            described.iter().position(|a| a.name.to_lowercase().contains(&text.to_lowercase()))
        }
    };
    let names = || described.iter().map(|a| format!("{} {}", a.index, a.name)).collect::<Vec<_>>().join(", ");
    let index = index.ok_or_else(|| Error::Device(format!("no such adapter {choice:?}; there are: {}", names())))?;
    let mut found = found;
    Ok((described[index].clone(), found.swap_remove(index)))
}

/// What an adapter lacks for computing in f64; empty where it has all of it.
pub(crate) fn lacking_for_double(info: &AdapterInfo) -> Vec<String> {
    let missing = |name: &&str| !info.features.iter().any(|f| f == name);
    let mut lacking: Vec<String> =
        ["SHADER_F64", "SHADER_INT64"].iter().filter(|n| missing(n)).map(|n| (*n).into()).collect();
    let needed = u64::from(Ladder { double: true, ..Ladder::default() }.workgroup_memory());
    let memory = info.limits.iter().find(|l| l.0 == "max_compute_workgroup_storage_size").map_or(0, |l| l.1);
    if memory < needed {
        lacking.push(format!("{needed} bytes of workgroup memory (it has {memory})"));
    }
    lacking
}

/// What stands in the way of computing in f64.
fn refuse_double(options: &GpuOptions, info: &AdapterInfo) -> Result<()> {
    let refuse = |why: String| Err(Error::Unsupported(why));
    if options.features.double == Switch::Off {
        return refuse(format!("f64 on {}: it is switched off; compute in f32, or in f64 on the CPU", info.name));
    }
    if options.x_storage == XStorage::F16 {
        return refuse(
            "X stored in f16 with sums in f64: its entries would be rounded to 2⁻¹¹ first; take one of the two".into(),
        );
    }
    let lacking = lacking_for_double(info);
    if !lacking.is_empty() {
        let lacking = lacking.join(", ");
        return refuse(format!(
            "f64 on {}: the adapter lacks {lacking}; compute in f32, or in f64 on the CPU",
            info.name
        ));
    }
    Ok(())
}

/// Faults that arrive outside any call: a lost device, an error nobody was waiting for. Seen at the next read.
#[derive(Default)]
pub(crate) struct Faults {
    broken: AtomicBool,
    message: Mutex<String>,
}

impl Faults {
    pub(crate) fn set(&self, message: String) {
        if let Ok(mut m) = self.message.lock()
            && m.is_empty()
        {
            *m = message;
        }
        self.broken.store(true, Ordering::Release);
    }

    /// `Err` once something went wrong.
    pub(crate) fn check(&self) -> Result<()> {
        if !self.broken.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(Error::Device(self.message.lock().map(|m| m.clone()).unwrap_or_default()))
    }
}

/// A device and its queue.
#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) raw: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    pub(crate) info: AdapterInfo,
    pub(crate) limits: wgpu::Limits,
    pub(crate) faults: Arc<Faults>,
    pub(crate) checked: bool,
    /// The optional features that kernels use.
    pub(crate) ladder: Ladder,
    /// Forms of cooperative matrices that it was opened for.
    pub(crate) offered: Vec<Matrices>,
    /// The form that passed its self-test.
    pub(crate) matrices: Option<Matrices>,
    /// A thread may have 200 registers: on cards of NVIDIA (255) and AMD (256) it may, on others mostly not (64 to 128 on
    /// those of Apple and Intel). A processor has next to none, but its stack is near.
    pub(crate) many_registers: bool,
    /// Everything that decides whether what was kept of this device is still good.
    pub(crate) key: String,
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device").field("info", &self.info).finish_non_exhaustive()
    }
}

impl Device {
    /// Opens a device, with subgroups and cooperative matrices if wanted and offered. In f64 (`double`) it has neither.
    pub(crate) fn new(options: &GpuOptions, subgroups: bool, matrices: bool, double: bool) -> Result<Device> {
        let (info, adapter) = choose(enumerate(), options.adapter.as_ref())?;
        let mut features = wgpu::Features::empty();
        if double {
            refuse_double(options, &info)?;
            features |= wgpu::Features::SHADER_F64;
        }
        features.set(wgpu::Features::SUBGROUP, subgroups);
        let caches = options.cache.is_some() && options.features.pipeline_cache != Switch::Off;
        features.set(wgpu::Features::PIPELINE_CACHE, caches);
        // processors read two numbers at a time
        features.set(wgpu::Features::SHADER_INT64, double || info.software);
        let offered = if subgroups && matrices { cooperative::offered(&adapter) } else { Vec::new() };
        let features = (features & adapter.features()) | cooperative::features(&offered);
        let halves = adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::SHADER_F16_IN_F32);
        if options.x_storage == XStorage::F16 && !halves {
            return Err(Error::Unsupported(format!("{} cannot read X stored in f16: take f32 storage", info.name)));
        }
        let wanted = wgpu::DeviceDescriptor {
            label: Some("nmf"),
            required_features: features,
            experimental_features: cooperative::experimental(&offered),
            // all that the adapter has: bindings and buffers as large as possible
            required_limits: adapter.limits(),
            memory_hints: wgpu::MemoryHints::Performance,
            ..Default::default()
        };
        let (raw, queue) = pollster::block_on(adapter.request_device(&wanted))
            .map_err(|e| Error::Device(format!("{} could not be opened: {e}", info.name)))?;
        let faults = Arc::new(Faults::default());
        let lost = Arc::clone(&faults);
        raw.set_device_lost_callback(move |_, message| {
            lost.set(format!(
                "the device was lost ({message}): its driver may have reset it; start again, perhaps on the CPU"
            ));
        });
        let uncaptured = Arc::clone(&faults);
        raw.on_uncaptured_error(Arc::new(move |e: wgpu::Error| uncaptured.set(e.to_string())));
        let limits = raw.limits();
        let ladder = Ladder { subgroups: features.contains(wgpu::Features::SUBGROUP), double };
        let card = adapter.get_info();
        let key = format!(
            "{}; {}; {}; {:x}:{:x}; wgpu {WGPU}; nmf {}{}",
            info.name,
            info.backend,
            info.driver,
            card.vendor,
            card.device,
            env!("CARGO_PKG_VERSION"),
            if double { "; f64" } else { "" }
        );
        let checked = options.checked;
        // the numbers of PCI: NVIDIA, AMD
        let many_registers = info.software || matches!(card.vendor, 0x10de | 0x1002);
        Ok(Device { raw, queue, info, limits, faults, checked, ladder, offered, matrices: None, many_registers, key })
    }

    /// Runs `make` inside error scopes, so that what goes wrong becomes an error of this call.
    pub(crate) fn scoped<T>(&self, what: &str, make: impl FnOnce(&wgpu::Device) -> T) -> Result<T> {
        self.faults.check()?;
        let internal = self.raw.push_error_scope(wgpu::ErrorFilter::Internal);
        let memory = self.raw.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = self.raw.push_error_scope(wgpu::ErrorFilter::Validation);
        let made = make(&self.raw);
        let errors = [
            pollster::block_on(validation.pop()),
            pollster::block_on(memory.pop()),
            pollster::block_on(internal.pop()),
        ];
        match errors.into_iter().flatten().next() {
            None => Ok(made),
            Some(wgpu::Error::OutOfMemory { .. }) => {
                Err(Error::OutOfMemory { what: what.into(), needed: 0, available: 0 })
            }
            Some(e) => Err(Error::Device(format!("{what}: {e}"))),
        }
    }

    /// The largest part of one buffer that a kernel can see.
    pub(crate) fn max_binding(&self) -> u64 {
        self.limits.max_storage_buffer_binding_size.min(self.limits.max_buffer_size) / 256 * 256
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_without_f64_is_refused_with_its_name_and_what_it_lacks() {
        let mut info = AdapterInfo {
            index: 0,
            name: "Card 7".into(),
            backend: "vulkan".into(),
            device_type: "DiscreteGpu".into(),
            driver: String::new(),
            software: false,
            limits: vec![("max_compute_workgroup_storage_size", 32768)],
            features: vec!["SHADER_F64".into(), "SUBGROUP".into(), "SHADER_INT64".into()],
        };
        let options = GpuOptions::default();
        assert!(refuse_double(&options, &info).is_ok());
        info.limits[0].1 = 16384;
        info.features.pop();
        let Err(Error::Unsupported(text)) = refuse_double(&options, &info) else { panic!("accepted") };
        for word in ["Card 7", "SHADER_INT64", "32768 bytes of workgroup memory (it has 16384)", "on the CPU"] {
            assert!(text.contains(word), "{text}");
        }
        assert!(!text.contains("SHADER_F64"), "{text}");
    }

    #[test]
    fn the_version_of_wgpu_in_keys_is_the_one_in_use() {
        let manifest = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml")).unwrap();
        assert!(manifest.contains(&format!("wgpu = {{ version = \"{}\"", WGPU)));
    }
}
