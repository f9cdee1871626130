/*
 * Invalidation of radix translations (Power ISA 3.0B, Book III, "tlbie"), as a guest may do it with LPCR[GTSE].
 * All are ordinary leaf functions. An invalidation is complete when tlb_wait returns.
 */
    .text

/* void tlb_begin(void): stores to tables are seen before what is invalidated next. */
    .global tlb_begin
    .type tlb_begin, @function
tlb_begin:
    ptesync
    blr

/* void tlb_page(u64 r3 page address, u64 r4 process id << 32): RIC 0, PRS 1, R 1, IS 0, page size 4 KiB. */
    .global tlb_page
    .type tlb_page, @function
tlb_page:
    tlbie   r3, r4, 0, 1, 1
    blr

/* void tlb_process(u64 r3 process id << 32): RIC 2 (tables too), IS 1. Writes r4. */
    .global tlb_process
    .type tlb_process, @function
tlb_process:
    li      r4, 0x400
    tlbie   r4, r3, 2, 1, 1
    blr

/* void tlb_partition(void): every process of this partition; RIC 2, IS 2. Writes r3, r4. */
    .global tlb_partition
    .type tlb_partition, @function
tlb_partition:
    li      r3, 0
    li      r4, 0x800
    tlbie   r4, r3, 2, 1, 1
    blr

/* void tlb_walks(u64 r3 process id << 32): tables that walks have cached; RIC 1, IS 1. Writes r4. */
    .global tlb_walks
    .type tlb_walks, @function
tlb_walks:
    li      r4, 0x400
    tlbie   r4, r3, 1, 1, 1
    blr

/*
 * void tlb_forget_here(const u64 *r3 page addresses, u64 r4 their number, u64 r5 process id << 32)
 *
 * What this CPU has cached of the process: tables of walks, and those pages. Writes r3 to r7, CTR. Complete at the return.
 */
    .global tlb_forget_here
    .type tlb_forget_here, @function
tlb_forget_here:
    cmpdi   r4, 0
    li      r6, 0x400
    ptesync
    tlbiel  r6, r5, 1, 1, 1
    beq     2f
    mtctr   r4
1:  ld      r7, 0(r3)
    addi    r3, r3, 8
    tlbiel  r7, r5, 0, 1, 1
    bdnz    1b
2:  ptesync
    isync
    blr

/* void tlb_forget_process_here(u64 r3 process id << 32): all that this CPU has cached of it. Writes r4. Complete at the return. */
    .global tlb_forget_process_here
    .type tlb_forget_process_here, @function
tlb_forget_process_here:
    li      r4, 0x400
    ptesync
    tlbiel  r4, r3, 2, 1, 1
    ptesync
    isync
    blr

/* void tlb_wait(void) */
    .global tlb_wait
    .type tlb_wait, @function
tlb_wait:
    eieio
    tlbsync
    ptesync
    isync
    blr
