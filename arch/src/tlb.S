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

/* void tlb_wait(void) */
    .global tlb_wait
    .type tlb_wait, @function
tlb_wait:
    eieio
    tlbsync
    ptesync
    isync
    blr
