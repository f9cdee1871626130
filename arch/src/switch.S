/*
 * The way to user mode and back, and interrupts of the kernel itself.
 */
#include "layout.h"

#define SWITCH_FRAME    (32 + 18 * 8)

.macro nonvolatile operation, base, offset
    .irp n, 14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    \operation \n, (\n - 14) * 8 + \offset(\base)
    .endr
.endm

    .text

/*
 * u64 enter_user(UserContext *r3)
 *
 * Loads the context and runs it until the next interrupt from user mode; the context then holds the new state.
 * Out: r3 the vector. An ordinary function for its caller: non-volatile registers, r1, r2 and r13 are kept.
 * The caller has put a sane MSR into the context; interrupts are off.
 */
    .global enter_user
    .type enter_user, @function
enter_user:
    mflr    r0
    std     r0, 16(r1)
    mfcr    r0
    std     r0, 8(r1)
    stdu    r1, -SWITCH_FRAME(r1)
    std     r2, 24(r1)
    nonvolatile std, r1, 32
    std     r1, BLOCK_KERNEL_SP(r13)
    std     r3, BLOCK_CONTEXT(r13)
    /* A reservation of the kernel or of another thread must not make this thread's store succeed. */
    addi    r4, r3, GPR(0)
    ld      r0, GPR(0)(r3)
    stdcx.  r0, 0, r4
    ld      r4, NIP(r3)
    mtspr   SRR0, r4
    ld      r5, MSR(r3)
    mtspr   SRR1, r5
    ld      r4, CTR(r3)
    mtctr   r4
    ld      r5, LR(r3)
    mtlr    r5
    ld      r4, XER(r3)
    mtxer   r4
    ld      r5, CR(r3)
    mtcrf   0xff, r5
    .irp n, 1,2,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    ld      \n, GPR(\n)(r3)
    .endr
    ld      r3, GPR(3)(r3)
    rfid

/*
 * Every translated interrupt: see vectors.S for the registers.
 */
    .global interrupt_entry
interrupt_entry:
    std     r10, BLOCK_R10(r13)
    std     r11, BLOCK_R11(r13)
    mfcr    r10
    mfspr   r11, SRR1
    andi.   r11, r11, MSR_PR
    beq     from_kernel

    /* From user mode: no user register is trusted, r1 above all. */
    ld      r11, BLOCK_CONTEXT(r13)
    .irp n, 0,1,2,3,4,5,6,7,8,9,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    std     \n, GPR(\n)(r11)
    .endr
    std     r10, CR(r11)
    ld      r4, BLOCK_R10(r13)
    ld      r5, BLOCK_R11(r13)
    ld      r6, BLOCK_R12(r13)
    mfspr   r7, SPRG1
    std     r4, GPR(10)(r11)
    std     r5, GPR(11)(r11)
    std     r6, GPR(12)(r11)
    std     r7, GPR(13)(r11)
    mfspr   r4, SRR0
    mfspr   r5, SRR1
    mflr    r6
    mfctr   r7
    mfxer   r8
    std     r4, NIP(r11)
    std     r5, MSR(r11)
    std     r6, LR(r11)
    std     r7, CTR(r11)
    std     r8, XER(r11)
    mfspr   r4, DAR
    mfspr   r5, DSISR
    std     r4, BLOCK_DAR(r13)
    std     r5, BLOCK_DSISR(r13)
    mr      r3, r12
    ld      r1, BLOCK_KERNEL_SP(r13)
    ld      r2, 24(r1)
    nonvolatile ld, r1, 32
    addi    r1, r1, SWITCH_FRAME
    ld      r0, 8(r1)
    mtcrf   0xff, r0
    ld      r0, 16(r1)
    mtlr    r0
    blr

/*
 * In kernel mode: a KernelFrame on the interrupt stack, kernel_interrupt(frame), then back to where the frame says.
 * The interrupted stack is not touched: its pointer may be what is wrong. A nested interrupt uses the stack below.
 */
from_kernel:
    ld      r11, BLOCK_INTERRUPT_SP(r13)
    addi    r11, r11, -(FRAME_SIZE + 32)
    std     r1, 0(r11)
    addi    r11, r11, 32
    .irp n, 0,1,2,3,4,5,6,7,8,9,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    std     \n, GPR(\n)(r11)
    .endr
    std     r10, CR(r11)
    ld      r4, BLOCK_R10(r13)
    ld      r5, BLOCK_R11(r13)
    ld      r6, BLOCK_R12(r13)
    mfspr   r7, SPRG1
    std     r4, GPR(10)(r11)
    std     r5, GPR(11)(r11)
    std     r6, GPR(12)(r11)
    std     r7, GPR(13)(r11)
    mfspr   r4, SRR0
    mfspr   r5, SRR1
    mflr    r6
    mfctr   r7
    mfxer   r8
    std     r4, NIP(r11)
    std     r5, MSR(r11)
    std     r6, LR(r11)
    std     r7, CTR(r11)
    std     r8, XER(r11)
    mfspr   r4, DAR
    mfspr   r5, DSISR
    std     r4, FRAME_DAR(r11)
    std     r5, FRAME_DSISR(r11)
    std     r12, FRAME_VECTOR(r11)
    mr      r3, r11
    addi    r1, r11, -32
    addi    r4, r1, -16384
    std     r4, BLOCK_INTERRUPT_SP(r13)
    address_of r12, kernel_interrupt
    mtctr   r12
    bctrl

    addi    r3, r1, 32
    addi    r4, r3, FRAME_SIZE
    std     r4, BLOCK_INTERRUPT_SP(r13)
    ld      r4, NIP(r3)
    mtspr   SRR0, r4
    ld      r5, MSR(r3)
    mtspr   SRR1, r5
    ld      r4, CTR(r3)
    mtctr   r4
    ld      r5, LR(r3)
    mtlr    r5
    ld      r4, XER(r3)
    mtxer   r4
    ld      r5, CR(r3)
    mtcrf   0xff, r5
    .irp n, 0,1,2,4,5,6,7,8,9,10,11,12,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    ld      \n, GPR(\n)(r3)
    .endr
    ld      r3, GPR(3)(r3)
    rfid

/*
 * Every untranslated interrupt: switches translation on and goes on as above. Runs with translation off.
 */
    .global interrupt_untranslated
interrupt_untranslated:
    std     r11, BLOCK_REAL_R11(r13)
    mfspr   r11, SRR0
    std     r11, BLOCK_REAL_SRR0(r13)
    mfspr   r11, SRR1
    std     r11, BLOCK_REAL_SRR1(r13)
    address_of r11, translated
    mtspr   SRR0, r11
    mfmsr   r11
    ori     r11, r11, 0x30      /* IR, DR */
    mtspr   SRR1, r11
    rfid
translated:
    ld      r11, BLOCK_REAL_SRR0(r13)
    mtspr   SRR0, r11
    ld      r11, BLOCK_REAL_SRR1(r13)
    mtspr   SRR1, r11
    ld      r11, BLOCK_REAL_R11(r13)
    b       interrupt_entry

/*
 * void cede(void)
 *
 * H_CEDE: interrupts are on from inside the call until it returns, so nothing is lost between the caller's last
 * look and here. Whatever arrives goes through from_kernel. Returns with interrupts off. An ordinary function.
 */
    .global cede
    .type cede, @function
cede:
    li      r3, 0xe0
    sc      1
    mfmsr   r4
    rldicl  r4, r4, 48, 1       /* EE off */
    rotldi  r4, r4, 16
    mtmsrd  r4, 1
    blr
