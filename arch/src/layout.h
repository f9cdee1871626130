/*
 * What assembly knows of Rust structures, in bytes. `cpu.rs`, `context.rs` and `fatal.rs` assert each number.
 */

/* CpuBlock: r13 in the kernel, SPRG0 always */
#define BLOCK_KERNEL_SP     8
#define BLOCK_CONTEXT       16
#define BLOCK_R10           24
#define BLOCK_R11           32
#define BLOCK_R12           40
#define BLOCK_CR            48
#define BLOCK_DAR           56
#define BLOCK_DSISR         64
#define BLOCK_INTERRUPT_SP  72
#define BLOCK_REAL_R11      80
#define BLOCK_REAL_SRR0     88
#define BLOCK_REAL_SRR1     96
#define BLOCK_LIGHT_CALLS   104

/* How many entries the table of light calls has */
#define LIGHT_CALL_LIMIT    512

/* UserContext, and the start of KernelFrame */
#define GPR(n)              ((n) * 8)
#define NIP                 256
#define MSR                 264
#define CTR                 272
#define LR                  280
#define XER                 288
#define CR                  296

/* The rest of KernelFrame */
#define FRAME_DAR           304
#define FRAME_DSISR         312
#define FRAME_VECTOR        320
#define FRAME_SIZE          336

/* VectorState */
#define STATE_FPSCR         1024
#define STATE_VSCR          1040

#define SPRG0   272
#define SPRG1   273
#define DSISR   18
#define DAR     19
#define SRR0    26
#define SRR1    27

#define MSR_PR      0x4000

/* Loads the 64-bit linked address of a symbol. Writes \reg only. */
.macro address_of reg, symbol
    lis     \reg, \symbol@highest
    ori     \reg, \reg, \symbol@higher
    sldi    \reg, \reg, 32
    oris    \reg, \reg, \symbol@high
    ori     \reg, \reg, \symbol@l
.endm
