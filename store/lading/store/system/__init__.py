"""What the machine is asked for: system calls, locks, whole writes, private folders, removal."""
