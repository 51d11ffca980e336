"""lit configuration of the IR and tool tests.

Run it through `cargo xtask test --only lit`, or by hand after a build:
    $(llvm-config-22 --bindir)/lit -v test

Environment:
  KFORGE_BIN_DIR      folder of the built tools; default <repository>/target/debug
  KFORGE_LLVM_PREFIX  where LLVM/MLIR 22 is installed; default `llvm-config-22 --prefix`

Features a test can require:
  vulkan  a Vulkan adapter answers (lavapipe counts)
  gpu     a kernel can be dispatched: vulkan, or Metal on macOS
  cmake   cmake and ninja are on PATH
Without an adapter such tests are unsupported, never passed.
"""

import ctypes
import os
import platform
import shutil
import subprocess

import lit.formats
from lit.llvm import initialize
from lit.llvm.subst import ToolSubst

SETUP = "run `cargo xtask setup`"


def llvm_prefix():
    """The folder that holds bin/mlir-opt of LLVM 22, or a fatal error."""
    prefix = os.environ.get("KFORGE_LLVM_PREFIX")
    if not prefix:
        llvm_config_tool = shutil.which("llvm-config-22")
        if not llvm_config_tool:
            lit_config.fatal("llvm-config-22 is not on PATH: %s" % SETUP)
        prefix = subprocess.check_output([llvm_config_tool, "--prefix"], text=True).strip()
    return prefix


def vulkan_adapters():
    """How many physical devices the Vulkan loader reports; 0 without a loader."""
    try:
        vulkan = ctypes.CDLL("libvulkan.so.1")
    except OSError:
        return 0

    class InstanceCreateInfo(ctypes.Structure):
        _fields_ = [
            ("sType", ctypes.c_int),
            ("pNext", ctypes.c_void_p),
            ("flags", ctypes.c_uint32),
            ("pApplicationInfo", ctypes.c_void_p),
            ("enabledLayerCount", ctypes.c_uint32),
            ("ppEnabledLayerNames", ctypes.c_void_p),
            ("enabledExtensionCount", ctypes.c_uint32),
            ("ppEnabledExtensionNames", ctypes.c_void_p),
        ]

    info = InstanceCreateInfo(sType=1)  # VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO
    instance = ctypes.c_void_p()
    if vulkan.vkCreateInstance(ctypes.byref(info), None, ctypes.byref(instance)) != 0:
        return 0
    count = ctypes.c_uint32(0)
    result = vulkan.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), None)
    vulkan.vkDestroyInstance(instance, None)
    return count.value if result == 0 else 0


repository = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
bin_dir = os.path.abspath(
    os.environ.get("KFORGE_BIN_DIR") or os.path.join(repository, "target", "debug")
)
prefix = llvm_prefix()
llvm_bin = os.path.join(prefix, "bin")

config.name = "kforge"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "lit.cfg.py"]
config.test_source_root = os.path.dirname(os.path.abspath(__file__))
# Beside the tools, so that the outputs of a test never land in the source tree.
config.test_exec_root = os.path.join(bin_dir, "lit")

initialize(lit_config, config)
# Bound by the call above, so not importable before it.
from lit.llvm import llvm_config

# Without this a test would read the cache, key or archive of whoever runs it.
config.environment["HOME"] = config.test_exec_root
for name in ("VK_ICD_FILENAMES", "VK_DRIVER_FILES", "VK_LOADER_DEBUG", "WGPU_BACKEND", "WGPU_ADAPTER_NAME"):
    if name in os.environ:
        config.environment[name] = os.environ[name]

llvm_config.with_environment("PATH", [bin_dir, llvm_bin], append_path=True)

shared_suffix = ".dylib" if platform.system() == "Darwin" else ".so"
config.substitutions.append(
    ("%kforge_plugin", os.path.join(bin_dir, "libkforge_plugin" + shared_suffix))
)
config.substitutions.append(("%kforge_root", repository))
config.substitutions.append(("%llvm_prefix", prefix))


def tools(folder, names):
    """Whole-word substitutions by full path.

    A tool that was not built fails exactly the tests that use it, with the
    path in the message; one of that name elsewhere on PATH is never taken.
    """
    return [ToolSubst(name, os.path.join(folder, name)) for name in names]


# `kforge` itself is found through PATH alone: the word is the dialect's name
# too, and a substitution would rewrite it inside arguments.
kforge_tools = [
    "kforge-opt",
    "kforge-run",
    "kforge-translate",
    "kforge-reduce",
    "kforge-lsp-server",
]
# The stock tools of the same LLVM: they must load our plugin.
llvm_tools = ["mlir-opt", "mlir-translate", "FileCheck", "not", "count", "split-file"]

for name in ("FileCheck", "not", "split-file"):
    if not os.path.exists(os.path.join(llvm_bin, name)):
        lit_config.fatal(
            "%s is not in %s (package llvm-22-tools on Debian): %s" % (name, llvm_bin, SETUP)
        )
llvm_config.add_tool_substitutions(tools(bin_dir, kforge_tools), [bin_dir])
llvm_config.add_tool_substitutions(tools(llvm_bin, llvm_tools), [llvm_bin])
spirv_val = shutil.which("spirv-val")
if spirv_val:
    config.available_features.add("spirv-val")
    folder = os.path.dirname(spirv_val)
    llvm_config.add_tool_substitutions(tools(folder, ["spirv-val"]), [folder])
else:
    lit_config.warning("spirv-val is not on PATH, tests that need it are unsupported: %s" % SETUP)

if vulkan_adapters() > 0:
    config.available_features.update(["vulkan", "gpu"])
if platform.system() == "Darwin":
    config.available_features.add("gpu")
if shutil.which("cmake") and shutil.which("ninja"):
    config.available_features.add("cmake")
