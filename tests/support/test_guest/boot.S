# SPDX-License-Identifier: MIT
# The test guest: a boot sector that shows, line by line, that its memory is whole and time goes on.
#
# Forty times a second it checks one of 32 stripes of 64 KiB (from 1 MiB on) against what it wrote
# there 32 ticks ago, fills it anew, and prints on the first serial port
#
#   T 000123 OK 5e8d2c10        tick number, verdict, sum of the words it found
#
# A word that differs makes the verdict BAD, then and in every later line.
#
# How much it writes can be set by patching the image: at byte 504 stands the timer's divisor (16
# bits; 1193182 / divisor ticks a second), at 506 the number of stripes (32 bits, a power of two).

        .set    STRIPES, 32
        .set    STRIPE_WORDS, 0x4000
        .set    DIVISOR, 29830                  # of 1193182 Hz: 40 ticks a second

        .include "protected_mode.inc"

main:   lidt    idt_pointer
        movb    $0xfe, %al                      # only the timer may interrupt
        outb    %al, $0x21
        movb    $0xff, %al
        outb    %al, $0xa1
        movb    $0x34, %al                      # timer 0: both bytes, rate generator
        outb    %al, $0x43
        movb    divisor, %al
        outb    %al, $0x40
        movb    divisor + 1, %al
        outb    %al, $0x40

        xorl    %ebx, %ebx                      # round number; a round fills one stripe
first_fill:
        call    fill
        incl    %ebx
        cmpl    stripes, %ebx
        jb      first_fill

tick:   call    verify
        call    fill
        incl    %ebx
        sti
        hlt
        cli
        movl    $label, %esi
        call    print
        movl    verdict, %esi
        call    print
        call    print_sum
        call    count
        jmp     tick

# edi: the stripe of round ebx; ecx: its words
locate: movl    stripes, %edi
        decl    %edi
        andl    %ebx, %edi
        shll    $16, %edi
        addl    $REGION, %edi
        movl    $STRIPE_WORDS, %ecx
        ret

# The pattern: a linear congruential sequence that starts at the round's number.
        .macro  next_word
        imull   $1664525, %eax, %eax
        addl    $1013904223, %eax
        .endm

fill:   call    locate
        movl    %ebx, %eax
1:      next_word
        movl    %eax, (%edi)
        addl    $4, %edi
        decl    %ecx
        jnz     1b
        ret

verify: call    locate
        movl    %ebx, %eax
        subl    stripes, %eax
        xorl    %edx, %edx
1:      next_word
        addl    (%edi), %edx
        cmpl    %eax, (%edi)
        je      2f
        movl    $bad, verdict
2:      addl    $4, %edi
        decl    %ecx
        jnz     1b
        ret

# Text at esi up to its NUL
print:  lodsb
        testb   %al, %al
        jz      1f
        call    put
        jmp     print
1:      ret

# Adds one to the decimal digits
count:  movl    $last_digit, %edi
1:      incb    (%edi)
        cmpb    $'9', (%edi)
        jbe     2f
        movb    $'0', (%edi)
        decl    %edi
        jmp     1b
2:      ret

# Back with interrupts off, and without iret: a KVM that has to emulate this processor knows none in
# protected mode.
timer:  pushl   %eax
        movb    $0x20, %al
        outb    %al, $0x20
        popl    %eax
        lret    $4

label:  .ascii  "T 00000"
last_digit:
        .asciz  "0 "
good:   .asciz  "OK "
bad:    .asciz  "BAD "
        .balign 4
verdict:
        .long   good

# Vector 8, where the BIOS left the timer's interrupt, is the only gate there is.
        .balign 8
timer_gate:
        .word   timer, 8, 0x8e00, 0
idt_pointer:
        .word   9 * 8 - 1
        .long   timer_gate - 8 * 8

        .org    504
divisor:
        .word   DIVISOR
stripes:
        .long   STRIPES
        .word   0xaa55
