//! Links the shared object that every program has mapped, and tells where it has the way back from signal handlers.

#![allow(clippy::disallowed_macros, reason = "it runs on the host")]

use elf::ElfBytes;
use elf::endian::LittleEndian;
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=src");
    let object = Path::new(&env::var("OUT_DIR")?).join("vdso.so");
    let status = Command::new("powerpc64le-linux-gnu-gcc")
        .args(["-shared", "-nostdlib", "-mregnames", "-mcpu=power9"])
        .args(["-Wl,-soname,linux-vdso64.so.1", "-Wl,--hash-style=both"])
        .args(["-Wl,--build-id=none", "-Wl,-z,max-page-size=4096"])
        .args(["-Wl,--version-script,src/versions", "-Wl,-T,src/vdso.ld"])
        .args(["-s", "src/vdso.S", "-o"])
        .arg(&object)
        .status()?;
    if !status.success() {
        return Err("the vDSO cannot be linked".into());
    }
    let bytes = fs::read(&object)?;
    let file = ElfBytes::<LittleEndian>::minimal_parse(&bytes)?;
    let (symbols, names) = file
        .dynamic_symbol_table()?
        .ok_or("the vDSO has no symbols")?;
    let symbol = symbols
        .iter()
        .find(|symbol| {
            names
                .get(symbol.st_name as usize)
                .is_ok_and(|name| name == "__kernel_sigtramp_rt64")
        })
        .ok_or("the vDSO has no way back from signal handlers")?;
    let text = format!(
        "/// Where signal handlers return to, in bytes from the start.\npub const SIGNAL_RETURN: u64 = {:#x};\n",
        symbol.st_value
    );
    fs::write(object.with_file_name("symbols.rs"), text)?;
    Ok(())
}
