# SPDX-License-Identifier: MIT
# The sweeping guest: a boot sector that reads all of its memory over and over, and says what it
# found.
#
# The first word at 1 MiB is how many bytes it reads from there on, a power of two. Page after page,
# in an order that leaves no page's neighbour for the next, it adds up all words, each sum turned by
# a bit, and prints on the first serial port
#
#   S 5e8d2c10
#
# It writes nothing there: as long as the memory is whole, every line is the same.

        .set    STRIDE, 0x9e5                   # pages; odd, so that all pages come

        .include "protected_mode.inc"

main:   movl    REGION, %ebp
        shrl    $12, %ebp                       # pages left
        leal    -1(%ebp), %edi                  # mask of a page's number
        xorl    %ebx, %ebx                      # number of the page
        xorl    %edx, %edx                      # sum
page:   movl    %ebx, %esi
        shll    $12, %esi
        addl    $REGION, %esi
        movl    $0x400, %ecx
1:      lodsl
        addl    %eax, %edx
        roll    $1, %edx
        decl    %ecx
        jnz     1b
        addl    $STRIDE, %ebx
        andl    %edi, %ebx
        decl    %ebp
        jnz     page
        movb    $'S', %al
        call    put
        movb    $' ', %al
        call    put
        call    print_sum
        jmp     main

        .org    510
        .word   0xaa55
