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

        .set    REGION, 0x100000
        .set    STRIDE, 0x9e5                   # pages; odd, so that all pages come
        .set    SERIAL, 0x3f8

        .code16
        .globl  _start
_start: cli
        xorw    %ax, %ax
        movw    %ax, %ds
        lgdtl   gdt_pointer
        inb     $0x92, %al                      # A20 open
        orb     $2, %al
        outb    %al, $0x92
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $8, $protected

        .code32
protected:
        movw    $16, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movl    $0x7c00, %esp
        cld

sweep:  movl    REGION, %ebp
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
        movl    $8, %ecx
1:      roll    $4, %edx
        movb    %dl, %al
        andb    $15, %al
        cmpb    $10, %al
        jb      2f
        addb    $('a' - '0' - 10), %al
2:      addb    $'0', %al
        call    put
        loop    1b
        movb    $'\n', %al
        call    put
        jmp     sweep

put:    pushl   %edx
        movb    %al, %ah
        movw    $(SERIAL + 5), %dx
1:      inb     %dx, %al
        testb   $0x20, %al
        jz      1b
        movb    %ah, %al
        movw    $SERIAL, %dx
        outb    %al, %dx
        popl    %edx
        ret

        .balign 8
gdt:    .quad   0
        .quad   0x00cf9a000000ffff              # 8: flat code
        .quad   0x00cf92000000ffff              # 16: flat data
gdt_pointer:
        .word   23
        .long   gdt

        .org    510
        .word   0xaa55
