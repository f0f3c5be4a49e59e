//! Link arguments of the plugin.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // HDF5 unloads plugins when it closes, while thread-local destructors and cached models of ours may still be needed.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libh5zcaesar.so");
}
