//! Assembles the vectors, the way to user mode and back, and the routines that must survive faults.

fn main() {
    println!("cargo:rerun-if-changed=src");
    if std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("powerpc64") {
        cc::Build::new()
            .compiler("powerpc64le-linux-gnu-gcc")
            .no_default_flags(true)
            .flag("-mregnames")
            .flag("-mcpu=power9")
            .flag("-g")
            .files([
                "src/vectors.S",
                "src/switch.S",
                "src/light.S",
                "src/user_copy.S",
                "src/signal_frame.S",
                "src/vector_state.S",
                "src/memory.S",
                "src/tlb.S",
                "src/rtas.S",
                "src/secondary.S",
            ])
            .link_lib_modifier("+whole-archive")
            .compile("corral_arch");
    }
}
