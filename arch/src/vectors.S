/*
 * Interrupt vectors (Power ISA, Book III, "Interrupt Vectors"), linked at the start of the linear map.
 *
 * With alternate interrupt location 3 the processor enters at 0xc000000000004000 + vector with translation on.
 * Machine check, system reset and anything before that is set up enter at the plain vector with translation off.
 *
 * Register contract of both: everything as interrupted but r13 = CpuBlock, r12 = vector; the interrupted r13 is in
 * SPRG1, the interrupted r12 in the block. Interrupts are off.
 */
#include "layout.h"

.macro vector number, target
    mtspr   SPRG1, r13
    mfspr   r13, SPRG0
    std     r12, BLOCK_R12(r13)
    li      r12, \number
    b       \target
.endm

.macro all_vectors base, target, call
    .irp number, 0x100,0x200,0x300,0x380,0x400,0x480,0x500,0x600,0x700,0x800,0x900,0x980,0xa00,0xb00,0xc00,0xd00,0xe00,0xe20,0xe40,0xe60,0xe80,0xea0,0xf00,0xf20,0xf40,0xf60,0xf80,0x1000,0x1100,0x1200,0x1300,0x1400,0x1500,0x1600,0x1700,0x1800
    .org    \base + \number
    .if     \number == 0xc00
    vector  \number, \call
    .else
    vector  \number, \target
    .endif
    .endr
.endm

    .section .vectors, "ax"
    .org    0
    all_vectors 0, interrupt_untranslated, interrupt_untranslated
    /* System call vectored; FSCR never allows it, so this is not reached. */
    .org    0x3000
    vector  0x3000, interrupt_entry
    all_vectors 0x4000, interrupt_entry, system_call_entry
    .org    0x7000
