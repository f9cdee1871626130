//! Links the image with the kernel's layout and assembles the programs.

fn main() {
    println!("cargo:rerun-if-changed=../../boot/image/kernel.ld");
    println!("cargo:rerun-if-changed=src/programs.S");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo:rustc-link-arg-bins=-T{folder}/../../boot/image/kernel.ld");
        println!("cargo:rustc-link-arg-bins=--gc-sections");
        cc::Build::new()
            .compiler("powerpc64le-linux-gnu-gcc")
            .no_default_flags(true)
            .flag("-mregnames")
            .flag("-mcpu=power9")
            .file("src/programs.S")
            .compile("programs");
    }
}
