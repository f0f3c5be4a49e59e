//! The C++ shim, and link arguments of the operator. ADIOS2's plugin interface is two headers without a library, so neither
//! ADIOS2 nor a network is needed here.

fn main() {
    println!("cargo::rerun-if-changed=src/shim.cpp");
    println!("cargo::rerun-if-changed=include");
    println!("cargo::rerun-if-changed=vendor");
    // ADIOS2 is built with GCC's C++ library, and exceptions and strings cross the border: no other will do.
    let mut shim = cc::Build::new();
    shim.cpp(true).std("c++14").file("src/shim.cpp").include("include").flag("-isystemvendor").compile("caesar_shim");
    // ADIOS2 unloads plugins when it ends, while thread-local destructors and cached models of ours may still be needed.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libcaesar_operator.so");
}
