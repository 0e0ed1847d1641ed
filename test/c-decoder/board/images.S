/* The container and both images, by the paths that are given to the compiler. */
  .section .rodata
  .global old_image, old_end, new_image, new_end, container, container_end
old_image: .incbin OLD_FILE
old_end:
new_image: .incbin NEW_FILE
new_end:
container: .incbin CONTAINER_FILE
container_end:
