! A Fortran program that compresses an array and gets it back.
program interface
  use caesar
  use, intrinsic :: iso_c_binding
  implicit none
  integer, parameter :: nx = 60, ny = 40, nz = 20
  real(c_double), target :: values(nx, ny, nz), copy(nx, ny, nz)
  integer(c_int8_t), allocatable, target :: block(:)
  integer(c_size_t) :: extents(3), found(31), bytes, size, rank, capacity
  integer(c_int) :: kind
  integer :: i, j, k

  do concurrent (i = 1:nx, j = 1:ny, k = 1:nz)
    values(i, j, k) = sin(0.05d0 * i) + cos(0.3d0 * j) + 0.2d0 * k
  end do
  extents = [nz, ny, nx]
  capacity = caesar_bound(caesar_float64, 3_c_size_t, extents)
  allocate (block(capacity))
  if (caesar_compress("abs=1e-4" // c_null_char, caesar_float64, 3_c_size_t, extents, c_loc(values), c_loc(block), capacity, &
                      size) /= caesar_ok) error stop 1
  if (size > storage_size(values) / 8 * nx * ny * nz / 20) error stop 2
  if (caesar_layout(c_loc(block), size, bytes, kind, rank, found) /= caesar_ok) error stop 3
  if (kind /= caesar_float64 .or. rank /= 3 .or. any(found(:3) /= extents)) error stop 4
  if (caesar_decompress(c_loc(block), size, c_loc(copy), bytes) /= caesar_ok) error stop 5
  if (maxval(abs(values - copy)) > 1d-4) error stop 6
  if (caesar_check("abs=tiny" // c_null_char) /= caesar_invalid_argument) error stop 7
  print '(a)', "all is well"
end program
