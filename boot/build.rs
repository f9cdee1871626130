//! Assembles the entry code; a host build (tests of the portable parts) needs none of it.

fn main() {
    println!("cargo:rerun-if-changed=src/entry.S");
    println!("cargo:rerun-if-changed=../arch/src/endian.h");
    if std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("powerpc64") {
        cc::Build::new()
            .compiler("powerpc64le-linux-gnu-gcc")
            .no_default_flags(true)
            .flag("-mregnames")
            .flag("-mcpu=power9")
            .flag("-g")
            .file("src/entry.S")
            .link_lib_modifier("+whole-archive")
            .compile("corral_entry");
    }
}
