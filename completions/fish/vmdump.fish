# SPDX-License-Identifier: MIT
# fish completion for vmdump
complete -c vmdump -f
complete -c vmdump -l qmp -d 'monitor of QEMU' -r
complete -c vmdump -l libvirt -d 'domain of libvirt, with URI# or not' -x -a '(virsh --quiet list --name 2>/dev/null)'
complete -c vmdump -l with-secrets -d 'keep passwords in its description'
complete -c vmdump -l stdin -d 'the stream arrives on stdin'
complete -c vmdump -l from -d 'state file in place of a guest' -r
complete -c vmdump -l mode -d 'how to save' -x -a 'stop live background auto'
complete -c vmdump -l after -d 'what becomes of the guest' -x -a 'keep pause quit'
complete -c vmdump -l disk-snapshot -d 'snapshot the disks in this folder' -x -a '(__fish_complete_directories)'
complete -c vmdump -l max-bandwidth -d 'read no faster than this' -x
complete -c vmdump -l converge -d 'when to stop the guest' -x
complete -c vmdump -l max-passes -d 'stop the guest after so many passes' -x
complete -c vmdump -l downtime-limit -d 'pause that ends a live save' -x
complete -c vmdump -l auto-converge -d 'slow the guest down until it converges'
complete -c vmdump -l timeout -d 'give up after this time' -x
complete -c vmdump -s o -l output -d 'file to write' -r
complete -c vmdump -l to -d 'what the file becomes' -x -a 'qevm libvirt mapped-ram'
complete -c vmdump -l xml -d 'XML of the domain' -r
complete -c vmdump -l cookie -d 'cookie of another image' -r
complete -c vmdump -l cont -d 'the restored guest runs'
complete -c vmdump -l paused -d 'the restored guest stays paused'
complete -c vmdump -l exec -d 'command that takes the file' -x
complete -c vmdump -l then -d 'command that publishes what --exec wrote' -x
complete -c vmdump -s c -l compress -d 'coding, with :LEVEL or not' -x -a 'none gzip bzip2 zstd'
complete -c vmdump -l filter -d 'command that compresses' -x
complete -c vmdump -l max-size -d 'largest file' -x
complete -c vmdump -l over-size -d 'what a live save does then' -x -a 'finish fail'
complete -c vmdump -l compact -d 'write each page once'
complete -c vmdump -l mapped-ram -d 'let QEMU write the file'
complete -c vmdump -l direct-io -d 'past the page cache'
complete -c vmdump -l no-index -d 'leave out the index'
complete -c vmdump -l verify -d 'read the finished file back'
complete -c vmdump -l force -d 'overwrite; write to a terminal'
complete -c vmdump -l explain -d 'print the commands, do nothing'
complete -c vmdump -l dry-run -d 'do all that comes before the guest is touched'
complete -c vmdump -s e -l encrypt-to -d 'OpenPGP key to encrypt to' -x
complete -c vmdump -l symmetric -d 'encrypt to a passphrase'
complete -c vmdump -l sign -d 'OpenPGP key to sign with' -x
complete -c vmdump -l require-signature -d 'OpenPGP key that must have signed' -x
complete -c vmdump -l passphrase-file -d 'file with the passphrase' -r
complete -c vmdump -l passphrase-fd -d 'descriptor to read the passphrase from' -x
complete -c vmdump -s q -l quiet -d 'print errors only'
complete -c vmdump -s v -l verbose -d 'say what is being done and how it went'
complete -c vmdump -l progress -d 'how to show progress' -x -a 'auto always never json'
complete -c vmdump -l progress-fd -d 'write JSON progress to this descriptor' -x
complete -c vmdump -l json -d 'print the result as JSON'
complete -c vmdump -l color -d 'colour messages' -x -a 'auto always never'
complete -c vmdump -l threads -d 'cores to use' -x
complete -c vmdump -s h -d 'print a short help'
complete -c vmdump -l help -d 'print help'
complete -c vmdump -l version -d 'print version, codecs and engines'
