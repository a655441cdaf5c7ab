# SPDX-License-Identifier: MIT
# fish completion for vmrestore
complete -c vmrestore -l exec -d 'command that prints the file' -x
complete -c vmrestore -l multifd -d 'the files are parts of one guest'
complete -c vmrestore -l verify-first -d 'check all of the file first'
complete -c vmrestore -l accept-damaged-description -d 'do without the description'
complete -c vmrestore -l require-signature -d 'OpenPGP key that must have signed' -x
complete -c vmrestore -l passphrase-file -d 'file with the passphrase' -r
complete -c vmrestore -l passphrase-fd -d 'descriptor to read the passphrase from' -x
complete -c vmrestore -l once -d 'use the file once only'
complete -c vmrestore -s o -l output -d 'plain stream to write' -r
complete -c vmrestore -l to -d 'what the file becomes' -x -a 'qevm libvirt mapped-ram'
complete -c vmrestore -l xml -d 'XML of the domain' -r
complete -c vmrestore -l cookie -d 'cookie of another image' -r
complete -c vmrestore -l qmp -d 'monitor of a waiting QEMU' -r
complete -c vmrestore -l libvirt -d 'bring it back as a domain'
complete -c vmrestore -l into -d 'save the loaded guest as a snapshot of a disk' -r
complete -c vmrestore -l force -d 'overwrite; write to a terminal'
complete -c vmrestore -l cont -d 'let the guest run after the load'
complete -c vmrestore -l paused -d 'leave the guest paused'
complete -c vmrestore -l write-disks -d 'let the stream overwrite disks'
complete -c vmrestore -l set-clock -d 'set the guest\'s clock once it runs'
complete -c vmrestore -l agent -d 'socket of the guest agent' -r
complete -c vmrestore -l timeout -d 'give up after this time' -x
complete -c vmrestore -l explain -d 'print the commands, do nothing'
complete -c vmrestore -l map -d 'map the file as the guest\'s memory'
complete -c vmrestore -l lazy -d 'let the guest run before its memory is there'
complete -c vmrestore -l resume-lazy -d 'go on with a lazy restore'
complete -c vmrestore -l prefetch -d 'what is sent without being asked' -x -a 'none sequential working-set'
complete -c vmrestore -l working-set -d 'file of the pages asked for first' -r
complete -c vmrestore -l max-bandwidth -d 'limit for pages nobody asked for' -x
complete -c vmrestore -l check -d 'ask QEMU whether it would load the file'
complete -c vmrestore -l binary -d 'a QEMU to ask' -r
complete -c vmrestore -s q -l quiet -d 'print errors only'
complete -c vmrestore -s v -l verbose -d 'say what is being done and how it went'
complete -c vmrestore -l progress -d 'how to show progress' -x -a 'auto always never json'
complete -c vmrestore -l progress-fd -d 'write JSON progress to this descriptor' -x
complete -c vmrestore -l json -d 'print the result as JSON'
complete -c vmrestore -l color -d 'colour messages' -x -a 'auto always never'
complete -c vmrestore -l threads -d 'cores to use' -x
complete -c vmrestore -s h -d 'print a short help'
complete -c vmrestore -l help -d 'print help'
complete -c vmrestore -l version -d 'print version, codecs and engines'
