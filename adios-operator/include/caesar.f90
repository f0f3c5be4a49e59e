! caesar.h for Fortran: compile this file with the program and link libcaesar_operator.so.
!
! Extents are slowest first, so those of a Fortran array are given in reverse: shape(u) = [nx, ny, nz] becomes [nz, ny, nx].
! Text ends with c_null_char. What each function does stands in caesar.h.
module caesar
  use, intrinsic :: iso_c_binding, only: c_char, c_int, c_ptr, c_size_t
  implicit none
  public

  integer(c_int), parameter :: caesar_float32 = 0, caesar_float64 = 1, caesar_complex64 = 2, caesar_complex128 = 3, &
                               caesar_int8 = 4, caesar_int16 = 5, caesar_int32 = 6, caesar_int64 = 7
  integer(c_int), parameter :: caesar_ok = 0, caesar_invalid_argument = 1, caesar_too_small = 2, caesar_damaged = 3, &
                               caesar_incompatible = 4, caesar_model_missing = 5, caesar_model_unusable = 6, &
                               caesar_no_memory = 7, caesar_internal = 8

  interface
    integer(c_size_t) function caesar_bound(kind, rank, extents) bind(c)
      import
      integer(c_int), value :: kind
      integer(c_size_t), value :: rank
      integer(c_size_t), intent(in) :: extents(*)
    end function

    integer(c_int) function caesar_check(options) bind(c)
      import
      character(kind=c_char), intent(in) :: options(*)
    end function

    integer(c_int) function caesar_compress(options, kind, rank, extents, values, block, capacity, bytes) bind(c)
      import
      character(kind=c_char), intent(in) :: options(*)
      integer(c_int), value :: kind
      integer(c_size_t), value :: rank, capacity
      integer(c_size_t), intent(in) :: extents(*)
      type(c_ptr), value :: values, block
      integer(c_size_t), intent(out) :: bytes
    end function

    integer(c_int) function caesar_layout(block, size, bytes, kind, rank, extents) bind(c)
      import
      type(c_ptr), value :: block
      integer(c_size_t), value :: size
      integer(c_size_t), intent(out) :: bytes, rank, extents(31)
      integer(c_int), intent(out) :: kind
    end function

    integer(c_int) function caesar_decompress(block, size, values, capacity) bind(c)
      import
      type(c_ptr), value :: block, values
      integer(c_size_t), value :: size, capacity
    end function

    ! Text of C; c_f_pointer makes it Fortran's.
    type(c_ptr) function caesar_message() bind(c)
      import
    end function
  end interface
end module
