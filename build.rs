//! Link arguments of the plugin.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // HDF5 unloads plugins when it closes, while thread-local destructors and cached models of ours may still be needed. macOS never
    // unloads what has such destructors; on Windows the plugin says so itself.
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libh5zcaesar.so");
    }
}
